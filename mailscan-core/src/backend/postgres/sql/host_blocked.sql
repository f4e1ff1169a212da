-- For how long a host is still to be left alone, if it is.
SELECT extract(epoch FROM blocked - statement_timestamp())::float8
FROM mailscan.host WHERE host = $1 AND blocked > statement_timestamp()
