-- Whether a job takes no more tasks.
SELECT closed FROM task_count WHERE job = ?1
