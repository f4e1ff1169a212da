-- How jobs stand, by id, of the states in a JSON array; rows of other states are not looked at.
SELECT id, status, reason, collected, target, active_ms, created_at, started_at, finished_at,
    active_before_ms
FROM job INDEXED BY job_status
WHERE status IN (SELECT value FROM json_each(?2)) AND id > ?1
ORDER BY id LIMIT ?3
