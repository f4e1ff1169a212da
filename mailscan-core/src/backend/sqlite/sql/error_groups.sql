-- Errors by class, code and host, the most frequent first; beside max(id), SQLite takes the message of that row.
SELECT class, code, host, count(*) AS errors, sum(resolved_at IS NULL), message, max(id)
FROM worker_error
WHERE ?1 IS NULL OR job = ?1
GROUP BY class, code, host
ORDER BY errors DESC, class, code, host LIMIT ?2
