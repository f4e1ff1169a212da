-- Leases a ready task.
UPDATE task SET state = 3, due = ?2, fence = fence + 1 WHERE id = ?1 AND state IN (0, 1)
