-- What else an address is, as a set of bits, and what jobs left out for that.
ALTER TABLE address ADD COLUMN classes INTEGER NOT NULL DEFAULT 0;
CREATE TABLE left_out (job INTEGER, class TEXT, mentions INTEGER NOT NULL, PRIMARY KEY (job, class)) WITHOUT ROWID;
