-- How the jobs of a JSON array of ids stand.
SELECT id, status, reason, collected, target, active_ms, created_at, started_at, finished_at,
    active_before_ms
FROM job
WHERE id IN (SELECT value FROM json_each(?1))
