-- Takes the right to remove what a deleted job has left.
SELECT id FROM mailscan.deleted_job WHERE id = $1 FOR NO KEY UPDATE
