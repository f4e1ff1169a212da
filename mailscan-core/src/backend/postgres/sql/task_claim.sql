-- Leases ready tasks of one job, host after host from the one behind `$2` and once around, at most `$4` of each, and `$9` calls,
-- of the kinds `$10`.
--
-- The walk seeks from host to host in the index of ready tasks, and goes only as far as tasks are wanted. Before and behind
-- the end of the index are two seeks: a bound that holds for one of them alone would be a filter over all that is behind it.
-- Who is picked is locked and was ready then, so nothing but the id is asked of it afterwards.
WITH RECURSIVE walk (host, wrapped, nth) AS (
    (
        SELECT first.host, first.wrapped, 1::bigint
        FROM (
            (SELECT t.host, false AS wrapped FROM mailscan.task t
            WHERE t.job + 0 = $1 AND t.state = 0 AND t.kind = ANY ($10) AND t.host > $2 ORDER BY t.host LIMIT 1)
            UNION ALL
            (SELECT t.host, true FROM mailscan.task t
            WHERE t.job + 0 = $1 AND t.state = 0 AND t.kind = ANY ($10) AND t.host <= $2 ORDER BY t.host LIMIT 1)
        ) first
        ORDER BY first.wrapped LIMIT 1
    )
    UNION ALL
    SELECT next.host, next.wrapped, walk.nth + 1
    FROM walk CROSS JOIN LATERAL (
        SELECT n.host, n.wrapped
        FROM (
            (SELECT t.host, false AS wrapped FROM mailscan.task t
            WHERE NOT walk.wrapped AND t.job + 0 = $1 AND t.state = 0 AND t.kind = ANY ($10) AND t.host > walk.host
            ORDER BY t.host LIMIT 1)
            UNION ALL
            (SELECT t.host, true FROM mailscan.task t
            WHERE walk.wrapped AND t.job + 0 = $1 AND t.state = 0 AND t.kind = ANY ($10)
                AND t.host > walk.host AND t.host <= $2
            ORDER BY t.host LIMIT 1)
            UNION ALL
            (SELECT t.host, true FROM mailscan.task t
            WHERE NOT walk.wrapped AND t.job + 0 = $1 AND t.state = 0 AND t.kind = ANY ($10) AND t.host <= $2
            ORDER BY t.host LIMIT 1)
        ) n
        ORDER BY n.wrapped LIMIT 1
    ) next
    WHERE walk.nth < $6
), picked AS MATERIALIZED (
    SELECT ready.id, ready.due, walk.nth
    FROM walk CROSS JOIN LATERAL (
        SELECT t.id, t.due FROM mailscan.task t
        WHERE t.job + 0 = $1 AND t.state = 0 AND t.kind = ANY ($10) AND t.host = walk.host
        ORDER BY t.due, t.id LIMIT CASE WHEN walk.host IN ('search:', 'local:') THEN $9 ELSE $4 END FOR NO KEY UPDATE SKIP LOCKED
    ) ready
    WHERE walk.host <> ALL ($5)
    LIMIT $3
), leased AS (
    UPDATE mailscan.task t
    SET state = 3, fence = t.fence + 1, due = statement_timestamp() + make_interval(secs => $7)
    FROM picked p WHERE t.id = p.id
    RETURNING t.id, t.job, t.kind, t.locator, t.depth, t.fence, t.retries, t.crashes, t.host, p.nth, p.due
), counted AS (
    INSERT INTO mailscan.task_count AS c (job, slot, pending, leased)
    SELECT $1, $8, -count(*), count(*) FROM leased HAVING count(*) > 0
    ON CONFLICT (job, slot) DO UPDATE SET pending = c.pending + excluded.pending, leased = c.leased + excluded.leased
)
SELECT id, job, kind, locator, depth, fence, retries, crashes, host FROM leased ORDER BY nth, due, id
