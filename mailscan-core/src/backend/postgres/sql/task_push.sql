-- Puts tasks on the queue: new work as far as its limit allows. Answers for each the task that the work already has, the
-- id that was tried, and whether that was added; when it was not, another process was faster at the same place. Parts are
-- put together and not joined: without statistics, the server would compare each with each.
WITH input AS MATERIALIZED (
    SELECT i.*
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::smallint[], $8::bigint[])
        WITH ORDINALITY AS i (job, fingerprint, kind, locator, host, depth, step, most, nth)
), looked AS MATERIALIZED (
    SELECT i.*, same.id AS known, coalesce(same.free, 0) + i.step AS probe
    FROM input i CROSS JOIN LATERAL (
        SELECT max(t.id) FILTER (WHERE t.kind = i.kind AND t.locator = i.locator) AS id, max(t.probe) + 1 AS free
        FROM mailscan.task t WHERE t.job = i.job AND t.fingerprint = i.fingerprint
    ) same
), total AS MATERIALIZED (
    SELECT c.job, sum(pending + suspect + delayed + leased + done + blocked + failed + quarantined)::bigint AS tasks
    FROM mailscan.task_count c
    WHERE c.job = ANY (SELECT DISTINCT i.job FROM input i WHERE i.most IS NOT NULL)
    GROUP BY c.job
), fresh AS MATERIALIZED (
    SELECT l.*, coalesce(t.tasks, 0) + row_number() OVER (PARTITION BY l.job ORDER BY l.nth) AS rank
    FROM looked l LEFT JOIN total t ON t.job = l.job
    WHERE l.known IS NULL
        AND NOT EXISTS (SELECT FROM mailscan.task_count c WHERE c.job = l.job AND c.slot = -1 AND c.closed)
), numbered AS MATERIALIZED (
    SELECT nextval('mailscan.task_id') AS id, n.*
    FROM (SELECT * FROM fresh f WHERE f.most IS NULL OR f.rank <= f.most ORDER BY f.nth) n
), added AS (
    INSERT INTO mailscan.task (id, job, fingerprint, probe, kind, locator, host, depth, state, due)
    SELECT id, job, fingerprint, probe, kind, locator, host, depth, 0, statement_timestamp()
    FROM numbered ORDER BY job, fingerprint, probe
    ON CONFLICT (job, fingerprint, probe) DO NOTHING
    RETURNING id
)
SELECT l.nth, l.known, NULL::bigint, false FROM looked l WHERE l.known IS NOT NULL
UNION ALL
SELECT n.nth, NULL, n.id, n.id IN (SELECT a.id FROM added a) FROM numbered n
UNION ALL
SELECT l.nth, NULL, NULL, false FROM looked l WHERE l.known IS NULL AND l.nth NOT IN (SELECT n.nth FROM numbered n)
