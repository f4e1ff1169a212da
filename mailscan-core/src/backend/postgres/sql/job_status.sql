-- The state of a job, which stays until the transaction ends.
SELECT status FROM mailscan.job WHERE id = $1 FOR NO KEY UPDATE
