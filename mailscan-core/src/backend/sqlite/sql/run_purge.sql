-- Forgets the runs of a job.
DELETE FROM entry_run WHERE table_name = ?1 AND job = ?2
