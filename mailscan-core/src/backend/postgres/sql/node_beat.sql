-- Replaces what a process said of itself.
INSERT INTO mailscan.node (node, host, pid, workers, bounds, beat_at)
VALUES ($1, $2, $3, $4, $5, statement_timestamp())
ON CONFLICT (node) DO UPDATE SET host = excluded.host, pid = excluded.pid, workers = excluded.workers,
    bounds = excluded.bounds, beat_at = excluded.beat_at
