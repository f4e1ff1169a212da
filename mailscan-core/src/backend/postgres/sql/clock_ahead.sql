-- By how many seconds the clock of the server is behind what processes reported last, and the right to make up for it: once
-- these reports are moved, nobody does it again. A report may have waited for long, so the clock is asked and not the beginning
-- of the statement.
SELECT coalesce(extract(epoch FROM max(ahead.beat_at) - clock_timestamp()), 0)::float8
FROM (
    SELECT beat_at FROM mailscan.node
    WHERE beat_at > clock_timestamp() + interval '2 seconds' ORDER BY node FOR UPDATE
) ahead
