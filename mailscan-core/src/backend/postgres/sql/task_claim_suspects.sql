-- Leases the suspects with the fewest crashes of all shares, of the kinds `$9`.
WITH share AS (
    SELECT s.* FROM unnest($1::bigint[], $2::bigint[]) AS s (job, most)
), candidate AS MATERIALIZED (
    SELECT t.id, t.job, t.host, t.crashes, t.due, s.most,
        row_number() OVER (PARTITION BY t.job, t.host ORDER BY t.crashes, t.due, t.id) AS of_host
    FROM share s CROSS JOIN LATERAL (
        SELECT q.id, q.job, q.host, q.crashes, q.due FROM mailscan.task q
        WHERE q.job + 0 = s.job AND q.state = 1 AND q.kind = ANY ($9) AND q.host <> ALL ($4)
        ORDER BY q.crashes, q.due, q.id LIMIT 4096
    ) t
), chosen AS MATERIALIZED (
    SELECT c.id
    FROM (
        SELECT id, crashes, due, most, row_number() OVER (PARTITION BY job ORDER BY crashes, due, id) AS of_job
        FROM candidate WHERE of_host <= CASE WHEN host IN ('search:', 'local:') THEN $8 ELSE $3 END
    ) c
    WHERE c.of_job <= c.most
    ORDER BY c.crashes, c.due, c.id LIMIT $5
), picked AS MATERIALIZED (
    SELECT t.id, t.due FROM mailscan.task t
    WHERE t.id IN (SELECT id FROM chosen) AND t.state = 1
    FOR NO KEY UPDATE OF t SKIP LOCKED
), leased AS (
    UPDATE mailscan.task t
    SET state = 3, fence = t.fence + 1, due = statement_timestamp() + make_interval(secs => $6)
    FROM picked p WHERE t.id = p.id
    RETURNING t.id, t.job, t.kind, t.locator, t.depth, t.fence, t.retries, t.crashes, t.host, p.due
), counted AS (
    INSERT INTO mailscan.task_count AS c (job, slot, suspect, leased)
    SELECT job, $7, -count(*), count(*) FROM leased GROUP BY job ORDER BY job
    ON CONFLICT (job, slot) DO UPDATE SET suspect = c.suspect + excluded.suspect, leased = c.leased + excluded.leased
)
SELECT id, job, kind, locator, depth, fence, retries, crashes, host FROM leased ORDER BY crashes, due, id
