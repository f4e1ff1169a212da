-- Extends a lease that is held by job and fence.
UPDATE task_lease SET due = ?4 WHERE task = ?1 AND job = ?2 AND fence = ?3
