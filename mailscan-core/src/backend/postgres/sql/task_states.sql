-- The states of tasks of a job.
SELECT id, state FROM mailscan.task WHERE job = $1 AND id = ANY ($2)
