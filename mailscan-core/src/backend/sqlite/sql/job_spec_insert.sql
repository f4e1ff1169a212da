-- Keeps the specification of a new job.
INSERT INTO job_spec (job, spec) VALUES (?1, ?2)
