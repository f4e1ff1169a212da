-- Open errors of one job by id, as in `error_list`.
SELECT id, job, task, fence, node, class, code, host, label, message, at, resolved_at, note, retried
FROM worker_error INDEXED BY worker_error_open
WHERE job = ?4 AND id > ?1 AND resolved_at IS NULL AND ?2
  AND (?3 = '[]' OR id IN (SELECT value FROM json_each(?3)))
  AND (?5 IS NULL OR class = ?5) AND (?6 IS NULL OR code = ?6) AND (?7 IS NULL OR host = ?7)
ORDER BY id LIMIT ?8
