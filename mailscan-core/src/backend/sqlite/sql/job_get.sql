-- A job with its specification.
SELECT id, key, spec, status, reason, seeded, collected, active_ms, created_at, started_at, finished_at
FROM job
WHERE id = ?1
