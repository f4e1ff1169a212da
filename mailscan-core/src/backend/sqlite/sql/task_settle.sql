-- Gives a task back under its lease. A task that is ready again after too many crashes is a suspect.
UPDATE task
SET state = CASE WHEN ?4 = 0 AND crashes >= ?5 THEN 1 ELSE ?4 END,
    due = ?6,
    retries = retries + ?7
WHERE id = ?1 AND job = ?2 AND fence = ?3 AND state = 3
RETURNING state
