-- All parts of a run.
SELECT entries FROM entry_part WHERE run = ?1
