-- The job that a key names.
SELECT id FROM mailscan.job WHERE key = $1
