-- Makes tasks that were delayed before the clock went back by `$1` seconds ready as much earlier.
WITH ahead AS MATERIALIZED (
    SELECT id FROM mailscan.task
    WHERE state = 2 AND due > statement_timestamp() LIMIT 100000 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE mailscan.task t SET due = greatest(t.due - make_interval(secs => $1), statement_timestamp())
FROM ahead a WHERE t.id = a.id
