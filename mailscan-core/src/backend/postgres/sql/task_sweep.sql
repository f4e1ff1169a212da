-- Takes expired leases back: their holders have lost them, and a crash is counted.
WITH expired AS MATERIALIZED (
    SELECT id FROM mailscan.task
    WHERE state = 3 AND due <= statement_timestamp()
    ORDER BY due LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
), swept AS (
    UPDATE mailscan.task t
    SET fence = t.fence + 1,
        crashes = t.crashes + 1,
        due = statement_timestamp(),
        error = CASE WHEN t.crashes + 1 >= $3 THEN 'its deliveries ended in crashes' ELSE t.error END,
        state = CASE WHEN t.crashes + 1 >= $3 THEN 7 WHEN t.crashes + 1 >= $2 THEN 1 ELSE 0 END
    FROM expired e WHERE t.id = e.id
    RETURNING t.id, t.job, t.kind, t.locator, t.depth, t.fence, t.retries, t.crashes, t.state, t.host
), counted AS (
    INSERT INTO mailscan.task_count AS c (job, slot, leased, pending, suspect, quarantined)
    SELECT job, $4, -count(*), count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1),
        count(*) FILTER (WHERE state = 7)
    FROM swept GROUP BY job ORDER BY job
    ON CONFLICT (job, slot) DO UPDATE SET leased = c.leased + excluded.leased, pending = c.pending + excluded.pending,
        suspect = c.suspect + excluded.suspect, quarantined = c.quarantined + excluded.quarantined
)
SELECT id, job, kind, locator, depth, fence, retries, crashes, state <> 7, host FROM swept
