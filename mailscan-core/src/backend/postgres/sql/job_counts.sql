-- How many jobs are in which state.
SELECT status, count(*) FROM mailscan.job GROUP BY status
