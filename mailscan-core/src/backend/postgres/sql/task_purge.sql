-- Removes tasks of a job, whatever state they are in; answers how many. They are chosen in the order of their index, and
-- locked in the order of ids so that nobody waits in a circle.
WITH held AS MATERIALIZED (
    SELECT id FROM mailscan.task
    WHERE id = ANY (ARRAY(SELECT id FROM mailscan.task WHERE job = $1 ORDER BY fingerprint, probe LIMIT $2))
    ORDER BY id FOR UPDATE
), removed AS (
    DELETE FROM mailscan.task WHERE id = ANY (ARRAY(SELECT id FROM held)) RETURNING 1
)
SELECT count(*) FROM removed
