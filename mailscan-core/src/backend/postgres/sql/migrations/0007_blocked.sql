-- Until when a host is to be left alone because it asked for that; `next` moves with every start that is given as well.
ALTER TABLE mailscan.host ADD COLUMN blocked timestamptz;
