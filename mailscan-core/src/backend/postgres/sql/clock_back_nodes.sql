-- Moves reports from before the clock went back by so many seconds.
UPDATE mailscan.node SET beat_at = beat_at - make_interval(secs => $1)
WHERE beat_at > clock_timestamp() + interval '2 seconds'
