-- Moves a job to a state. `?4` is the time now, `?5` whether it begins to run, `?6` whether it is settled.
UPDATE job
SET status = ?2,
    reason = ?3,
    started_at = CASE WHEN ?5 THEN coalesce(started_at, ?4) ELSE started_at END,
    finished_at = CASE WHEN ?6 THEN ?4 END
WHERE id = ?1
