-- The state of a task of a job.
SELECT CASE
    WHEN state <> 0 THEN state
    WHEN EXISTS (SELECT 1 FROM task_lease WHERE task = id) THEN 3
    WHEN EXISTS (
        SELECT 1 FROM task_ready AS ready
        WHERE ready.job = task.job AND ready.host = task.host AND ready.due = task.due AND ready.task = id
    ) THEN 0
    ELSE 4
END
FROM task WHERE id = ?1 AND job = ?2
