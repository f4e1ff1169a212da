-- Notes that nothing is left of a deleted job.
UPDATE deleted_job SET purged = 1 WHERE id = ?1
