-- The runs of a job, the newest first.
SELECT id, entries FROM address_run WHERE job = ?1 ORDER BY id DESC
