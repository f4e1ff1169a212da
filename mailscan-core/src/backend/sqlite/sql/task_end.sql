-- Ends a task under its lease.
UPDATE task SET state = ?4, error = coalesce(?5, error) WHERE id = ?1 AND job = ?2 AND fence = ?3 AND state = 3
