-- Gives turns at hosts as much earlier as the clock went back, which is `$1` seconds, none in less than one second: so far
-- ahead starts are given.
WITH ahead AS MATERIALIZED (
    SELECT host, statement_timestamp() + interval '1 second' AS soon FROM mailscan.host
    WHERE greatest(next, blocked) > statement_timestamp() + interval '1 second'
    ORDER BY host LIMIT 100000 FOR NO KEY UPDATE
)
UPDATE mailscan.host h
SET next = CASE WHEN h.next > a.soon THEN greatest(h.next - make_interval(secs => $1), a.soon) ELSE h.next END,
    blocked = CASE WHEN h.blocked > a.soon THEN greatest(h.blocked - make_interval(secs => $1), a.soon) ELSE h.blocked END
FROM ahead a WHERE h.host = a.host
