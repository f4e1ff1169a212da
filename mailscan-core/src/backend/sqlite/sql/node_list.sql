-- All processes.
SELECT node, host, pid, workers, beat_at FROM node ORDER BY node
