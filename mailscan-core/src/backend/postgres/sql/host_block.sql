-- Gives no turn at a host for a while.
INSERT INTO mailscan.host AS h (host, next) VALUES ($1, statement_timestamp() + make_interval(secs => $2))
ON CONFLICT (host) DO UPDATE SET next = greatest(h.next, excluded.next)
