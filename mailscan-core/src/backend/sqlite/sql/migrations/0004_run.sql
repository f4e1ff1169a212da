-- Begins a run.
INSERT INTO address_run (job, entries) VALUES (?1, ?2)
