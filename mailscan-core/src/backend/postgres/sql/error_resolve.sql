-- Resolves open errors: of these ids (all when there is none), of a job, with a code, at a host.
WITH resolved AS (
    UPDATE mailscan.worker_error SET resolved_at = statement_timestamp(), note = $1
    WHERE resolved_at IS NULL
      AND (cardinality($2) = 0 OR id = ANY ($2))
      AND ($3::bigint IS NULL OR job = $3) AND ($4::text IS NULL OR code = $4) AND ($5::text IS NULL OR host = $5)
    RETURNING 1
)
SELECT count(*) FROM resolved
