-- Gives a task back whose lease has ended. One that is ready again after too many crashes is a suspect.
UPDATE task
SET state = CASE WHEN ?3 = 0 AND crashes >= ?4 THEN 1 ELSE ?3 END,
    fence = ?2,
    due = ?5,
    retries = retries + ?6
WHERE id = ?1
RETURNING state, host
