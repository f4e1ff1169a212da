-- Removes sources of a deleted job, those with the lowest ids; answers how many.
WITH chosen AS MATERIALIZED (
    SELECT id FROM mailscan.source
    WHERE job = $1 AND EXISTS (SELECT FROM mailscan.deleted_job d WHERE d.id = $1 AND NOT d.purged)
    ORDER BY id LIMIT $2
), removed AS (
    DELETE FROM mailscan.source WHERE job = $1 AND id <= (SELECT max(id) FROM chosen) RETURNING 1
)
SELECT count(*) FROM removed
