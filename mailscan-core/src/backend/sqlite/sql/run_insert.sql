-- Begins a run.
INSERT INTO entry_run (table_name, job, entries) VALUES (?1, ?2, ?3)
