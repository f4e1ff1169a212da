-- How many errors of one job nobody has resolved; the partial index holds just these.
SELECT count(*) FROM worker_error WHERE job = ?1 AND resolved_at IS NULL
