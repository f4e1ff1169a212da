-- Errors by class, code and host, the most frequent first, with the newest message.
SELECT class, code, host, count(*) AS errors, count(*) FILTER (WHERE resolved_at IS NULL),
    (array_agg(message ORDER BY id DESC))[1]
FROM mailscan.worker_error
WHERE $1::bigint IS NULL OR job = $1
GROUP BY class, code, host
ORDER BY errors DESC, class, code, host LIMIT $2
