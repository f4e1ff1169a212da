-- Takes the right to add addresses to jobs, in the order of ids so that nobody waits in a circle.
SELECT id FROM mailscan.job WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE
