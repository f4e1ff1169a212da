-- Removes addresses of a deleted job; answers how many.
WITH chosen AS (
    SELECT id FROM mailscan.address t
    WHERE job = $1 AND EXISTS (SELECT FROM mailscan.deleted_job d WHERE d.id = $1 AND NOT d.purged)
    ORDER BY id LIMIT $2
), removed AS (
    DELETE FROM mailscan.address t USING chosen s WHERE t.job = $1 AND t.id = s.id RETURNING 1
)
SELECT count(*) FROM removed
