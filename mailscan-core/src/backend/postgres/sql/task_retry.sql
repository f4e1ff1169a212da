-- Makes tasks of a job that were given up ready as if they were new, and lets those that wait for their time wait no longer;
-- answers the state that each was in.
WITH asked AS MATERIALIZED (
    SELECT id, state FROM mailscan.task WHERE id = ANY ($2) AND job + 0 = $1 ORDER BY id FOR NO KEY UPDATE
), changed AS (
    UPDATE mailscan.task t
    SET state = 0, due = statement_timestamp(), retries = 0, crashes = 0, error = NULL
    FROM asked a WHERE t.id = a.id AND a.state IN (5, 6, 7)
), hastened AS (
    UPDATE mailscan.task t SET due = statement_timestamp() FROM asked a WHERE t.id = a.id AND a.state = 2
), counted AS (
    INSERT INTO mailscan.task_count AS c (job, slot, pending, blocked, failed, quarantined)
    SELECT $1, $3, count(*), -count(*) FILTER (WHERE state = 5), -count(*) FILTER (WHERE state = 6),
        -count(*) FILTER (WHERE state = 7)
    FROM asked WHERE state IN (5, 6, 7) HAVING count(*) > 0
    ON CONFLICT (job, slot) DO UPDATE SET pending = c.pending + excluded.pending, blocked = c.blocked + excluded.blocked,
        failed = c.failed + excluded.failed, quarantined = c.quarantined + excluded.quarantined
)
SELECT id, state FROM asked
