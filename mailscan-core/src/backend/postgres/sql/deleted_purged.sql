-- Notes that nothing of a deleted job is left.
UPDATE mailscan.deleted_job SET purged = true WHERE id = $1
