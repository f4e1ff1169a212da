-- A job with its specification.
SELECT id, key, spec, status, reason, seeded, collected, active_ms, created_at, started_at, finished_at,
    api_roots, active_before_ms
FROM mailscan.job
WHERE id = $1
