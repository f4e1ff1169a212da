-- How jobs stand, by id, of all states; the array of states is empty.
SELECT id, status, reason, collected, target, active_ms, created_at, started_at, finished_at,
    active_before_ms
FROM mailscan.job
WHERE id > $1 AND cardinality($2) = 0
ORDER BY id LIMIT $3
