-- Takes a task back whose lease has expired: its holder has lost it, and a crash is counted.
UPDATE task
SET fence = ?2 + 1,
    crashes = crashes + 1,
    due = ?3,
    error = CASE WHEN crashes + 1 >= ?5 THEN 'its deliveries ended in crashes' ELSE error END,
    state = CASE WHEN crashes + 1 >= ?5 THEN 7 WHEN crashes + 1 >= ?4 THEN 1 ELSE 0 END
WHERE id = ?1
RETURNING id, job, kind, locator, depth, fence, retries, crashes, state, host
