-- Takes the first ready tasks of a job at one host away, up to this one.
DELETE FROM task_ready WHERE job = ?1 AND host = ?2 AND (due, task) <= (?3, ?4)
