-- Makes delayed tasks of a job ready whose time has come, the earliest first.
UPDATE task SET state = CASE WHEN crashes >= ?3 THEN 1 ELSE 0 END
WHERE id IN (SELECT id FROM task WHERE job = ?1 AND state = 2 AND due <= ?2 ORDER BY due LIMIT ?4)
RETURNING state, id, host, due
