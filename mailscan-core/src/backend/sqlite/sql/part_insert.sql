-- Adds a part to a run.
INSERT INTO entry_part (run, first, entries) VALUES (?1, ?2, ?3)
