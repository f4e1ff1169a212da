-- Resolves the open errors of earlier deliveries of a task that is done now.
UPDATE worker_error SET resolved_at = ?4, note = ?5, retried = 1
WHERE job = ?1 AND task = ?2 AND fence < ?3 AND resolved_at IS NULL
