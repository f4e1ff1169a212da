-- Ends the lease of a task that is done, unless its row is to say so.
DELETE FROM task_lease WHERE task = ?1 AND job = ?2 AND fence = ?3 AND NOT marked
