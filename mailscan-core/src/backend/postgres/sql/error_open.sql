-- How many errors of a job nobody has resolved.
SELECT count(*) FROM mailscan.worker_error WHERE job = $1 AND resolved_at IS NULL
