-- Leases whose time is over.
SELECT id FROM task WHERE state = 3 AND due <= ?1 ORDER BY due LIMIT ?2
