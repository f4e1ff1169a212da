-- Notes that a job is deleted, and which addresses it leaves.
INSERT INTO deleted_job (id, next_address, last_address) SELECT id, first_address, last_address FROM job WHERE id = ?1
