-- Errors by id: of the ids in a JSON array (all when it is empty), of a job, of a class, with a code, at a host.
SELECT id, job, task, fence, node, class, code, host, label, message, at, resolved_at, note, retried
FROM worker_error
WHERE id > ?1 AND (NOT ?2 OR resolved_at IS NULL)
  AND (?3 = '[]' OR id IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR job = ?4) AND (?5 IS NULL OR class = ?5) AND (?6 IS NULL OR code = ?6) AND (?7 IS NULL OR host = ?7)
ORDER BY id LIMIT ?8
