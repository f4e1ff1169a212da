-- The same as `error_groups.sql` of one job, in the order of its index.
WITH numbered AS (
    SELECT id, class, code, host, resolved_at IS NULL AS open,
        row_number() OVER (PARTITION BY class, code, host ORDER BY id DESC) AS n
    FROM worker_error
    WHERE (?1 = '[]' OR id IN (SELECT value FROM json_each(?1)))
      AND job = ?2 AND (?3 IS NULL OR class = ?3) AND (?4 IS NULL OR code = ?4) AND (?5 IS NULL OR host = ?5)
), grouped AS (
    SELECT class, code, host, count(*) AS errors, sum(open) AS open,
        json_group_array(id) FILTER (WHERE n <= ?11) AS newest
    FROM numbered
    GROUP BY class, code, host
    HAVING ?6 IS NULL OR count(*) < ?6 OR (count(*) = ?6 AND (class, code, host) > (?7, ?8, ?9))
    ORDER BY errors DESC, class, code, host LIMIT ?10
)
SELECT class, code, host, errors, open, (
    SELECT json_group_array(json_array(e.id, e.label, e.message) ORDER BY e.id DESC)
    FROM worker_error e WHERE e.id IN (SELECT value FROM json_each(newest))
)
FROM grouped ORDER BY errors DESC, class, code, host
