-- The state of a job.
SELECT status FROM job WHERE id = ?1
