-- The first host that has ready tasks of a job.
SELECT host FROM task_ready WHERE job = ?1 ORDER BY host LIMIT 1
