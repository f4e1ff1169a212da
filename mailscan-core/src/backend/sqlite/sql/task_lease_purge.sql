-- Ends the lease of a task, whoever holds it.
DELETE FROM task_lease WHERE task = ?1
