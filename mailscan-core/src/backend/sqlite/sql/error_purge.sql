-- Forgets errors of a job.
DELETE FROM worker_error WHERE id IN (SELECT id FROM worker_error WHERE job = ?1 LIMIT ?2)
