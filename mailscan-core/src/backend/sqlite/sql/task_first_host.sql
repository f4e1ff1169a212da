-- The first host that has ready tasks of a job.
SELECT host FROM task WHERE job = ?1 AND state = 0 ORDER BY host LIMIT 1
