-- Tasks are found as addresses are, by sorted runs of fingerprints: the runs of both are in the same tables.
ALTER TABLE address_run RENAME TO entry_run;
ALTER TABLE address_part RENAME TO entry_part;
-- Whose rows the entries of a run name.
ALTER TABLE entry_run ADD COLUMN table_name TEXT NOT NULL DEFAULT 'address';
DROP INDEX address_run_job;
CREATE INDEX entry_run_job ON entry_run (table_name, job, id);
DROP INDEX address_part_first;
CREATE UNIQUE INDEX entry_part_first ON entry_part (run, first);
