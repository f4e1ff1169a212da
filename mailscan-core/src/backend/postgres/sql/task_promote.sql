-- Makes delayed tasks of jobs ready whose time has come, the earliest first.
WITH due AS MATERIALIZED (
    SELECT id FROM mailscan.task
    WHERE job + 0 = ANY ($1) AND state = 2 AND due <= statement_timestamp()
    ORDER BY due LIMIT 4096 FOR NO KEY UPDATE SKIP LOCKED
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
