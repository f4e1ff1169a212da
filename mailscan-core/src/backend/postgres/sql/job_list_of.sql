-- How jobs stand, by id, of these states; jobs of other states are not looked at, however many there are.
SELECT j.id, j.status, j.reason, j.collected, j.target, j.active_ms, j.created_at, j.started_at, j.finished_at,
    j.active_before_ms
FROM (SELECT DISTINCT unnest($2) AS status) s CROSS JOIN LATERAL (
    SELECT * FROM mailscan.job WHERE status = s.status AND id + 0 > $1 ORDER BY id + 0 LIMIT $3
) j
ORDER BY j.id LIMIT $3
