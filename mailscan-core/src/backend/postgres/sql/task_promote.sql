-- Makes delayed tasks of jobs ready whose time has come, the earliest of each job first, and some at a time. Each job is
-- looked at by itself: what is due of several is in no order, and all of it would be read to be sorted.
WITH due AS MATERIALIZED (
    SELECT first.id
    FROM unnest($1) AS j (job) CROSS JOIN LATERAL (
        SELECT t.id FROM mailscan.task t
        WHERE t.job + 0 = j.job AND t.state = 2 AND t.due <= statement_timestamp()
        ORDER BY t.due LIMIT greatest(4096 / cardinality($1), 64) FOR NO KEY UPDATE SKIP LOCKED
    ) first
), ready AS (
    UPDATE mailscan.task t SET state = CASE WHEN t.crashes >= $2 THEN 1 ELSE 0 END
    FROM due WHERE t.id = due.id
    RETURNING t.job, t.state
)
INSERT INTO mailscan.task_count AS c (job, slot, pending, suspect, delayed)
SELECT job, $3, count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1), -count(*)
FROM ready GROUP BY job ORDER BY job
ON CONFLICT (job, slot) DO UPDATE SET pending = c.pending + excluded.pending, suspect = c.suspect + excluded.suspect,
    delayed = c.delayed + excluded.delayed
