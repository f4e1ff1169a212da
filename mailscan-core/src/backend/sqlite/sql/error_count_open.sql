-- How many errors of one job nobody has resolved; the partial index holds just these, but the planner takes another.
SELECT count(*) FROM worker_error INDEXED BY worker_error_open WHERE job = ?1 AND resolved_at IS NULL
