-- Deleted jobs of which something is left.
SELECT id FROM deleted_job WHERE purged = 0 ORDER BY id LIMIT ?1
