-- The states of tasks of a job.
SELECT id, state FROM mailscan.task WHERE id = ANY ($2) AND job + 0 = $1
