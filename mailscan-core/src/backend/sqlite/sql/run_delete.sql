-- Forgets a run.
DELETE FROM entry_run WHERE id = ?1
