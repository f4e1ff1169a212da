-- Removes tasks of a job.
DELETE FROM task WHERE id IN (SELECT id FROM task WHERE job = ?1 LIMIT ?2)
