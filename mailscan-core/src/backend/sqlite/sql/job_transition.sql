-- Moves a job to a state. `?4` is the time now, `?5` whether it begins to run, `?6` whether it is settled, `?7` whether it
-- is resumed.
UPDATE job
SET status = ?2,
    reason = ?3,
    started_at = CASE WHEN ?5 THEN coalesce(started_at, ?4) ELSE started_at END,
    finished_at = CASE WHEN ?6 THEN ?4 END,
    active_before_ms = CASE WHEN ?7 THEN active_ms ELSE active_before_ms END
WHERE id = ?1
