-- The part of a run that comes after the one with this first fingerprint.
SELECT first, entries FROM entry_part WHERE run = ?1 AND first > ?2 ORDER BY first LIMIT 1
