-- Fails, and the transaction with it, unless the server was started at $1.
SELECT 1 / (CASE WHEN (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint = $1 THEN 1 ELSE 0 END)
