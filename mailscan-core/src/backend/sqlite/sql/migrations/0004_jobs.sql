-- The jobs that have addresses, and how many.
SELECT job, count(*) FROM address GROUP BY job
