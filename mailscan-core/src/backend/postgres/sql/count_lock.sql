-- Takes the rows that a claim of these jobs counts in, in the order in which all claims take them.
SELECT 1 FROM mailscan.task_count WHERE job = ANY ($1) AND slot = $2 ORDER BY job FOR NO KEY UPDATE
