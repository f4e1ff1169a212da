-- Adds the addresses of one job that are new, in the order of the input, as far as the target allows. The job is locked,
-- so nobody else adds to it: what is new here stays so, and the next id is the count.
--
-- `$11` names those that were not among the first `$10` addresses of the job: they are new unless they came since, and
-- what came since, at most `$12`, is read once and answered. All others are looked up, each by itself: a join would read
-- the whole job. A server that was started since `$13` may have lost what it had, so what was known of it counts no more.
WITH server AS MATERIALIZED (
    SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started
), quota AS MATERIALIZED (
    SELECT collected, greatest(target - collected, 0) AS room, started,
        started = $13 AND collected BETWEEN $10 AND $10 + $12 AS near
    FROM mailscan.job CROSS JOIN server WHERE id = $1
), later AS MATERIALIZED (
    SELECT a.fingerprint FROM mailscan.address a
    WHERE a.job + 0 = $1 AND a.id > $10 AND (SELECT near FROM quota)
), sighting AS MATERIALIZED (
    SELECT s.*
    FROM unnest($2::text[], $3::text[], $4::integer[], $5::bigint[], $6::text[], $7::integer[], $9::bigint[],
        $11::boolean[]) WITH ORDINALITY AS s (identity, email, source, place, form, classes, fingerprint, absent, nth)
), fresh AS MATERIALIZED (
    SELECT s.*, row_number() OVER (ORDER BY s.nth) AS rank
    FROM sighting s
    WHERE CASE
        WHEN s.absent AND (SELECT near FROM quota) AND NOT s.fingerprint IN (SELECT l.fingerprint FROM later l) THEN true
        ELSE (
            SELECT true FROM mailscan.address a
            WHERE a.job = $1 AND a.fingerprint = s.fingerprint AND a.identity = s.identity COLLATE "C" LIMIT 1
        ) IS NULL
    END
), taken AS MATERIALIZED (
    SELECT f.*, q.collected + f.rank AS id, min(q.collected + f.rank) OVER (PARTITION BY f.source) AS run
    FROM fresh f CROSS JOIN quota q
    WHERE f.rank <= q.room
), sources AS (
    INSERT INTO mailscan.source (job, id, name)
    SELECT $1, t.run, n.name
    FROM taken t JOIN unnest($8::text[]) WITH ORDINALITY AS n (name, nth) ON n.nth = t.source
    WHERE t.id = t.run
), added AS (
    INSERT INTO mailscan.address (job, id, fingerprint, identity, email, source, place, form, classes, found_at)
    SELECT $1, t.id, t.fingerprint, t.identity, t.email, t.run, t.place, t.form, t.classes, statement_timestamp()
    FROM taken t
), counted AS (
    UPDATE mailscan.job SET collected = collected + (SELECT count(*) FROM taken)
    WHERE id = $1 AND EXISTS (SELECT FROM taken)
)
SELECT coalesce(array_agg(f.nth) FILTER (WHERE f.rank <= q.room), '{}'),
    coalesce(array_agg(f.nth) FILTER (WHERE f.rank > q.room), '{}'),
    (SELECT collected FROM quota),
    (SELECT CASE WHEN near THEN ARRAY(SELECT fingerprint FROM later) END FROM quota),
    (SELECT started FROM quota)
FROM fresh f CROSS JOIN quota q
