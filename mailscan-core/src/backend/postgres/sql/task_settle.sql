-- Gives tasks back under their leases. Answers the places of those whose fence is still the task's, and whether it took
-- effect now. The rows are locked in the order of ids first, so that nobody waits in a circle. `state + 0` keeps the
-- server from the index of all leased tasks, which it would compare with each of these.
WITH input AS MATERIALIZED (
    SELECT i.*
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::float8[], $6::integer[], $7::text[])
        WITH ORDINALITY AS i (id, job, fence, state, after, retries, error, nth)
), held AS MATERIALIZED (
    SELECT t.id, t.job, t.fence FROM mailscan.task t WHERE t.id = ANY ($1) ORDER BY t.id FOR NO KEY UPDATE
), judged AS MATERIALIZED (
    SELECT i.* FROM input i JOIN held h ON h.id = i.id AND h.job = i.job AND h.fence = i.fence AND h.fence > 0
), written AS (
    UPDATE mailscan.task t
    SET state = CASE WHEN j.state = 0 AND t.crashes >= $8 THEN 1 ELSE j.state END,
        due = statement_timestamp() + make_interval(secs => j.after),
        retries = t.retries + j.retries,
        error = coalesce(j.error, t.error)
    FROM judged j
    WHERE t.id = j.id AND t.job + 0 = j.job AND t.fence = j.fence AND t.state + 0 = 3
    RETURNING j.nth, t.job, t.state
), counted AS (
    INSERT INTO mailscan.task_count AS c
        (job, slot, leased, pending, suspect, delayed, done, blocked, failed, quarantined)
    SELECT job, $9, -count(*), count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1),
        count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 4), count(*) FILTER (WHERE state = 5),
        count(*) FILTER (WHERE state = 6), count(*) FILTER (WHERE state = 7)
    FROM written GROUP BY job ORDER BY job
    ON CONFLICT (job, slot) DO UPDATE SET leased = c.leased + excluded.leased, pending = c.pending + excluded.pending,
        suspect = c.suspect + excluded.suspect, delayed = c.delayed + excluded.delayed, done = c.done + excluded.done,
        blocked = c.blocked + excluded.blocked, failed = c.failed + excluded.failed,
        quarantined = c.quarantined + excluded.quarantined
), left_out AS (
    INSERT INTO mailscan.left_out AS l (job, class, slot, mentions)
    SELECT w.job, m.class, $9, sum(m.mentions)::bigint
    FROM unnest($10::bigint[], $11::text[], $12::bigint[]) AS m (nth, class, mentions) JOIN written w ON w.nth = m.nth
    GROUP BY w.job, m.class ORDER BY w.job, m.class
    ON CONFLICT (job, class, slot) DO UPDATE SET mentions = l.mentions + excluded.mentions
)
SELECT j.nth, j.nth IN (SELECT w.nth FROM written w) FROM judged j
