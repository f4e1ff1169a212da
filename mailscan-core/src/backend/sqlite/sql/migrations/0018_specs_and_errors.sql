-- What was asked for may be megabytes, which stood before most of what is read of a job again and again.
CREATE TABLE job_spec (job INTEGER PRIMARY KEY, spec TEXT NOT NULL);
INSERT INTO job_spec SELECT id, spec FROM job;
ALTER TABLE job DROP COLUMN spec;
-- The errors of a job in the order in which they are grouped.
CREATE INDEX worker_error_group ON worker_error (job, class, code, host, id DESC, resolved_at);
