-- Deletes the specification of a job.
DELETE FROM job_spec WHERE job = ?1
