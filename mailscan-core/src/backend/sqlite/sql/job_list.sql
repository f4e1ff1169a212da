-- How jobs stand, by id, of all states; the array of states is empty.
SELECT id, status, reason, collected, target, active_ms, created_at, started_at, finished_at,
    active_before_ms
FROM job
WHERE id > ?1 AND ?2 = '[]'
ORDER BY id LIMIT ?3
