-- How many jobs are in which state.
SELECT status, count(*) FROM job INDEXED BY job_status GROUP BY status
