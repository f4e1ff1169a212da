-- Removes a task.
DELETE FROM task WHERE id = ?1
