-- The part of a run that holds a fingerprint, if the run has it.
SELECT entries FROM entry_part WHERE run = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1
