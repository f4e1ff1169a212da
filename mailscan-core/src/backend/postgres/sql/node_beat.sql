-- Replaces what a process said of itself, and forgets those that were silent for an hour. Answers nothing, and replaces
-- nothing, where somebody has reported later than it is now: then the clock went back, and these reports are all that says so.
WITH gone AS (
    DELETE FROM mailscan.node WHERE node IN (
        SELECT node FROM mailscan.node
        WHERE beat_at < statement_timestamp() - interval '1 hour' AND node <> $1
        -- Whoever beats at the same time does the same: nobody waits for the other.
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO mailscan.node (node, host, pid, workers, bounds, beat_at)
SELECT $1, $2, $3, $4, $5, statement_timestamp()
WHERE NOT EXISTS (SELECT FROM mailscan.node WHERE beat_at > clock_timestamp() + interval '2 seconds')
ON CONFLICT (node) DO UPDATE SET host = excluded.host, pid = excluded.pid, workers = excluded.workers,
    bounds = excluded.bounds, beat_at = excluded.beat_at
RETURNING 1
