-- Tells the other processes that a claim may find something.
SELECT pg_notify('mailscan_ready', $1)
