-- Resolves those of the errors with these ids that are open: of a job, of a class, with a code, at a host, and so many at a time.
-- Each is found by its id, however many others are open; told plainly of the job, the server may rather go through all of that.
WITH open AS (
    SELECT e.id
    FROM (SELECT DISTINCT unnest($3) AS id ORDER BY id) named CROSS JOIN LATERAL (
        SELECT n.id FROM mailscan.worker_error n
        WHERE n.id = named.id AND n.resolved_at IS NULL
          AND ($4::bigint IS NULL OR n.job = $4) IS TRUE AND ($5::text IS NULL OR n.class = $5)
          AND ($6::text IS NULL OR n.code = $6) AND ($7::text IS NULL OR n.host = $7)
        FOR NO KEY UPDATE
    ) e
    LIMIT $8
), resolved AS (
    UPDATE mailscan.worker_error SET resolved_at = statement_timestamp(), note = $1, retried = $2
    WHERE id = ANY (ARRAY (SELECT id FROM open))
    RETURNING 1
)
SELECT count(*) FROM resolved
