-- Resolves the open errors of earlier deliveries of tasks that are done now.
UPDATE mailscan.worker_error e SET resolved_at = statement_timestamp(), note = $4, retried = true
FROM unnest($1, $2, $3) AS done (job, task, fence)
WHERE e.job = done.job AND e.task = done.task AND e.fence < done.fence AND e.resolved_at IS NULL
