-- The first part of a run.
SELECT first, entries FROM entry_part WHERE run = ?1 ORDER BY first LIMIT 1
