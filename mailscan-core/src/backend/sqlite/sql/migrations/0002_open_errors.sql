-- The error desk reads and resolves open errors, job by job, among any number of resolved ones.
CREATE INDEX worker_error_open ON worker_error (job, id) WHERE resolved_at IS NULL;
