-- Ready tasks of a job at one host, in the order in which they became ready.
SELECT id, task.job, kind, locator, depth, fence, retries, crashes, ready.due
FROM task_ready AS ready CROSS JOIN task ON id = ready.task
WHERE ready.job = ?1 AND ready.host = ?2
ORDER BY ready.due, ready.task
LIMIT ?3
