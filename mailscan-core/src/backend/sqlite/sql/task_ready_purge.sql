-- Takes a task of whatever state out of what is ready.
DELETE FROM task_ready WHERE (job, host, due, task) = (SELECT job, host, due, id FROM task WHERE id = ?1)
