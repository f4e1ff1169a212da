-- A job with its specification.
SELECT id, key, (SELECT spec FROM job_spec WHERE job_spec.job = job.id), status, reason, seeded, collected, active_ms,
    created_at, started_at, finished_at,
    api_roots, active_before_ms
FROM job
WHERE id = ?1
