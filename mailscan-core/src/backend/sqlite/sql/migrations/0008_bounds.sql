-- What bounds the jobs that a process works on.
ALTER TABLE node ADD COLUMN bounds TEXT NOT NULL DEFAULT '[]';
