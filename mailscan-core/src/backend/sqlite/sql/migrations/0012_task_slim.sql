-- What the runs have taken over.
DROP INDEX task_fingerprint;
ALTER TABLE task DROP COLUMN fingerprint;
ALTER TABLE task DROP COLUMN probe;
