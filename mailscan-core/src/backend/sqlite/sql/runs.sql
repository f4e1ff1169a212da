-- The runs of a job, the newest first.
SELECT id, entries FROM entry_run WHERE table_name = ?1 AND job = ?2 ORDER BY id DESC
