-- Forgets the parts of a run.
DELETE FROM entry_part WHERE run = ?1
