-- Keeps no place for longer than any is kept without a word.
WITH ahead AS MATERIALIZED (
    SELECT host, node FROM mailscan.host_place
    WHERE until > statement_timestamp() + make_interval(secs => $1)
    LIMIT 100000 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE mailscan.host_place p SET until = statement_timestamp() + make_interval(secs => $1)
FROM ahead a WHERE p.host = a.host AND p.node = a.node
