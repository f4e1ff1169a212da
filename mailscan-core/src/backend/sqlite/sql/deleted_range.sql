-- The addresses of a deleted job that are still to be looked at.
SELECT next_address, last_address FROM deleted_job WHERE id = ?1 AND purged = 0
