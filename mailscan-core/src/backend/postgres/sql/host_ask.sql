-- Gives starts and places at a host: starts when they are near enough, places as many as are fair and free. What a
-- process has under way stays its own until it ends.
WITH others AS (
    SELECT coalesce(sum(places), 0)::bigint AS taken, count(*) AS nodes
    FROM mailscan.host_place
    WHERE host = $1 AND node <> $2 AND until > statement_timestamp()
), mine AS MATERIALIZED (
    SELECT greatest($5, least(greatest($4 / (nodes + 1), 1), $4 - taken)) AS places FROM others
), kept AS (
    INSERT INTO mailscan.host_place (host, node, places, until)
    SELECT $1, $2, places, statement_timestamp() + make_interval(secs => $7) FROM mine
    ON CONFLICT (host, node) DO UPDATE SET places = excluded.places, until = excluded.until
), turn AS MATERIALIZED (
    SELECT greatest(h.next, statement_timestamp()) AS first FROM mailscan.host h WHERE h.host = $1
), given AS MATERIALIZED (
    -- A start without a place would lapse, unless starts are not bound to a time.
    SELECT CASE
        WHEN t.first > statement_timestamp() + make_interval(secs => $8) THEN 0
        WHEN $3 = 0 AND m.places > $5 THEN $6
        ELSE least($6, m.places - $5)
    END AS starts
    FROM mine m, turn t
), moved AS (
    UPDATE mailscan.host h SET next = t.first + make_interval(secs => $3 * g.starts)
    FROM turn t, given g
    WHERE h.host = $1 AND g.starts > 0
)
SELECT m.places, g.starts, extract(epoch FROM t.first - statement_timestamp())::float8
FROM mine m, turn t, given g
