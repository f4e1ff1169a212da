-- Forgets the counts of a job.
DELETE FROM mailscan.task_count WHERE job = $1 AND slot >= 0
