-- Errors by id: of these ids (all when there is none), of a job, of a class, with a code, at a host.
SELECT id, job, task, fence, node, class, code, host, label, message, at, resolved_at, note, retried
FROM mailscan.worker_error
WHERE id > $1 AND (NOT $2 OR resolved_at IS NULL)
  AND (cardinality($3) = 0 OR id = ANY ($3))
  AND ($4::bigint IS NULL OR job = $4) AND ($5::text IS NULL OR class = $5)
  AND ($6::text IS NULL OR code = $6) AND ($7::text IS NULL OR host = $7)
ORDER BY id LIMIT $8
