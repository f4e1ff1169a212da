-- How jobs stand, by id, of the states in a JSON array, or of all states when it is empty.
SELECT id, status, reason, collected, target, active_ms, created_at, started_at, finished_at,
    active_before_ms
FROM job
WHERE id > ?1 AND (?2 = '[]' OR status IN (SELECT value FROM json_each(?2)))
ORDER BY id LIMIT ?3
