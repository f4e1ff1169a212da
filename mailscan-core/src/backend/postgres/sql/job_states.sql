-- How the jobs of ids stand.
SELECT id, status, reason, collected, target, active_ms, created_at, started_at, finished_at,
    active_before_ms
FROM mailscan.job
WHERE id = ANY ($1)
