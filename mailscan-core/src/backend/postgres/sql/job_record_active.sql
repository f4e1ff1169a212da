-- Raises the time that a job has been at work.
UPDATE mailscan.job SET active_ms = greatest(active_ms, $2) WHERE id = $1 RETURNING id
