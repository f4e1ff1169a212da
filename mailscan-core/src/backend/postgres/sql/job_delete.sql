-- Deletes a job and marks it as deleted.
WITH gone AS (DELETE FROM mailscan.job WHERE id = $1 RETURNING id)
INSERT INTO mailscan.deleted_job (id) SELECT id FROM gone ON CONFLICT (id) DO NOTHING
