-- Removes tasks of a job, whatever state they are in; answers how many.
WITH chosen AS (
    SELECT id FROM mailscan.task WHERE job = $1 ORDER BY id LIMIT $2 FOR UPDATE
), removed AS (
    DELETE FROM mailscan.task t USING chosen s WHERE t.id = s.id RETURNING 1
)
SELECT count(*) FROM removed
