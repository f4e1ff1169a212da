-- Replaces what a process said of itself.
INSERT INTO node (node, host, pid, workers, beat_at, bounds) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (node) DO UPDATE SET host = excluded.host, pid = excluded.pid, workers = excluded.workers,
    beat_at = excluded.beat_at, bounds = excluded.bounds
