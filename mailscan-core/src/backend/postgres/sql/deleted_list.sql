-- Deleted jobs of which something is left.
SELECT id FROM mailscan.deleted_job WHERE NOT purged ORDER BY id LIMIT $1
