-- Removes errors of a deleted job; answers how many.
WITH removed AS (
    DELETE FROM mailscan.worker_error
    WHERE id = ANY (ARRAY(
        SELECT id FROM mailscan.worker_error
        WHERE job = $1 AND EXISTS (SELECT FROM mailscan.deleted_job d WHERE d.id = $1 AND NOT d.purged)
        ORDER BY id LIMIT $2
    ))
    RETURNING 1
)
SELECT count(*) FROM removed
