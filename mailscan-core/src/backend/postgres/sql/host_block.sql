-- Gives no turn at a host for a while.
INSERT INTO mailscan.host AS h (host, next, blocked)
SELECT $1, until, until FROM (SELECT statement_timestamp() + make_interval(secs => $2) AS until) asked
ON CONFLICT (host) DO UPDATE SET
    next = greatest(h.next, excluded.next),
    blocked = greatest(h.blocked, excluded.blocked)
