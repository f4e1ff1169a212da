-- Errors by class, code and host, the most frequent first, after a group; with the newest of each as JSON. Which errors: of
-- these ids (all when there is none), of a job, of a class, with a code, at a host.
WITH numbered AS (
    SELECT id, class, code, host, resolved_at,
        row_number() OVER (PARTITION BY class, code, host ORDER BY id DESC) AS n
    FROM mailscan.worker_error
    WHERE (cardinality($1) = 0 OR id = ANY ($1))
      AND ($2::bigint IS NULL OR job + 0 = $2) AND ($3::text IS NULL OR class = $3)
      AND ($4::text IS NULL OR code = $4) AND ($5::text IS NULL OR host = $5)
), grouped AS (
    SELECT class, code, host, count(*) AS errors, count(*) FILTER (WHERE resolved_at IS NULL) AS open,
        array_agg(id) FILTER (WHERE n <= $11) AS newest
    FROM numbered
    GROUP BY class, code, host
    HAVING $6::bigint IS NULL OR count(*) < $6
        OR (count(*) = $6 AND (class, code, host) > ($7::text, $8::text, $9::text))
    ORDER BY errors DESC, class, code, host LIMIT $10
)
SELECT class, code, host, errors, open, (
    SELECT jsonb_agg(jsonb_build_array(e.id, e.label, e.message) ORDER BY e.id DESC)::text
    FROM mailscan.worker_error e WHERE e.id = ANY (newest)
)
FROM grouped ORDER BY errors DESC, class, code, host
