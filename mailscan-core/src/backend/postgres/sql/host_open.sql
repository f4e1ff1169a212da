-- Makes the row of a host.
INSERT INTO mailscan.host (host, next) VALUES ($1, statement_timestamp()) ON CONFLICT (host) DO NOTHING
