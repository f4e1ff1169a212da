-- Resolves open errors: of these ids (all when there is none), of a job, of a class, with a code, at a host.
WITH resolved AS (
    UPDATE mailscan.worker_error SET resolved_at = statement_timestamp(), note = $1, retried = $2
    WHERE resolved_at IS NULL
      AND (cardinality($3) = 0 OR id = ANY ($3))
      AND ($4::bigint IS NULL OR job = $4) AND ($5::text IS NULL OR class = $5)
      AND ($6::text IS NULL OR code = $6) AND ($7::text IS NULL OR host = $7)
    RETURNING 1
)
SELECT count(*) FROM resolved
