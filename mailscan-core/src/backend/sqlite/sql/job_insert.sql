-- Creates a job, unless its key names one. No id is used again, not even that of a deleted job.
INSERT INTO job (id, key, target, status, created_at, api_roots)
VALUES (
    1 + max(coalesce((SELECT max(id) FROM job), 0), coalesce((SELECT max(id) FROM deleted_job), 0)),
    ?1, ?2, 'queued', ?3, ?4
)
ON CONFLICT (key) DO NOTHING
