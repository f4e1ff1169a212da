-- Whether a task was given back under this lease: the fence is still its own, the lease is over.
SELECT count(*) FROM task
WHERE id = ?1 AND job = ?2 AND ?3 > 0
    AND NOT EXISTS (SELECT 1 FROM task_lease WHERE task = id)
    AND ?3 = fence + (
        state = 0 AND NOT EXISTS (
            SELECT 1 FROM task_ready AS ready
            WHERE ready.job = task.job AND ready.host = task.host AND ready.due = task.due AND ready.task = id
        )
    )
