-- Makes the row of a host, or holds one that is old enough to be cleared away.
INSERT INTO mailscan.host AS h (host, next) VALUES ($1, statement_timestamp())
ON CONFLICT (host) DO UPDATE SET next = excluded.next WHERE h.next < excluded.next - interval '30 minutes'
