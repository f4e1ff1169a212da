-- How many tasks of the jobs of a JSON array of ids are in which state.
SELECT job, pending, suspect, delayed, leased, done, blocked, failed, quarantined
FROM task_count
WHERE job IN (SELECT value FROM json_each(?1))
