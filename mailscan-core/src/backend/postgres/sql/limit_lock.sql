-- Takes the right to push under a limit, in the order of jobs so that nobody waits in a circle.
SELECT job FROM mailscan.task_count WHERE job = ANY ($1) AND slot = -1 ORDER BY job FOR NO KEY UPDATE
