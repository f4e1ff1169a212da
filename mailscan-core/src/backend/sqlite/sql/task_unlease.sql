-- Ends a lease that is held by job and fence.
DELETE FROM task_lease WHERE task = ?1 AND job = ?2 AND fence = ?3
