-- Extends a lease that is held by job and fence.
UPDATE task SET due = ?4 WHERE id = ?1 AND job = ?2 AND fence = ?3 AND state = 3
