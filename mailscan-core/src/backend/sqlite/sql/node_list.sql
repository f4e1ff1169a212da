-- All processes.
SELECT node, host, pid, workers, beat_at, bounds FROM node ORDER BY node
