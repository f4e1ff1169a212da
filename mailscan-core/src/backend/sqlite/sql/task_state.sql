-- The state of a task of a job.
SELECT state FROM task WHERE id = ?1 AND job = ?2
