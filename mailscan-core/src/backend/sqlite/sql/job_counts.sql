-- How many jobs are in which state.
SELECT status, count(*) FROM job GROUP BY status
