-- Forgets the runs of a job.
DELETE FROM address_run WHERE job = ?1
