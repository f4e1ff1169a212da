-- Lets leases from before the clock went back by `$1` seconds end as much earlier, none in less than `$2`: some may have been
-- given since. What is locked is renewed or given back just now.
WITH ahead AS MATERIALIZED (
    SELECT id FROM mailscan.task
    WHERE state = 3 AND due > statement_timestamp() + make_interval(secs => $2)
    ORDER BY due LIMIT 100000 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE mailscan.task t
SET due = greatest(t.due - make_interval(secs => $1), statement_timestamp() + make_interval(secs => $2))
FROM ahead a WHERE t.id = a.id
