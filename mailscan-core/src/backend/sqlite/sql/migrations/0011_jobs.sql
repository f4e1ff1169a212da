-- The jobs that have tasks, and how many.
SELECT job, count(*) FROM task GROUP BY job
