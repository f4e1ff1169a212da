-- Raises the time that a job has been at work.
UPDATE job SET active_ms = max(active_ms, ?2) WHERE id = ?1
