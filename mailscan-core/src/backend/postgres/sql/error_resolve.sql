-- Resolves some of the open errors: of these ids (all when there is none), of a job, of a class, with a code, at a host.
WITH open AS (
    SELECT id FROM mailscan.worker_error
    WHERE resolved_at IS NULL
      AND (cardinality($3) = 0 OR id = ANY ($3))
      AND ($4::bigint IS NULL OR job = $4) AND ($5::text IS NULL OR class = $5)
      AND ($6::text IS NULL OR code = $6) AND ($7::text IS NULL OR host = $7)
    ORDER BY id LIMIT $8 FOR NO KEY UPDATE
), resolved AS (
    UPDATE mailscan.worker_error e SET resolved_at = statement_timestamp(), note = $1, retried = $2
    FROM open o WHERE e.id = o.id
    RETURNING 1
)
SELECT count(*) FROM resolved
