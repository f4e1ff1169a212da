-- Errors by id.
SELECT id, job, task, fence, node, class, code, host, label, message, at, resolved_at, note
FROM mailscan.worker_error
WHERE id > $1 AND ($2::bigint IS NULL OR job = $2) AND (NOT $3 OR resolved_at IS NULL)
ORDER BY id LIMIT $4
