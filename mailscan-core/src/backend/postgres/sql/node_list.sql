-- All processes, and for how long each was silent.
SELECT node, host, pid, workers, bounds, extract(epoch FROM statement_timestamp() - beat_at)::float8
FROM mailscan.node ORDER BY node
