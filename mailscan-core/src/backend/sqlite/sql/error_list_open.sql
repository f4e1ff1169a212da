-- Open errors of one job by id.
SELECT id, job, task, fence, node, class, code, host, label, message, at, resolved_at, note
FROM worker_error
WHERE job = ?2 AND id > ?1 AND resolved_at IS NULL
ORDER BY id LIMIT ?3
