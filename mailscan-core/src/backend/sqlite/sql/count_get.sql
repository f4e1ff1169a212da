-- How many tasks of a job are in which state.
SELECT pending, suspect, delayed, leased, done, blocked, failed, quarantined FROM task_count WHERE job = ?1
