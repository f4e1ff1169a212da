-- Whether a job was deleted.
SELECT count(*) FROM deleted_job WHERE id = ?1
