-- Records an error once for each delivery, unless its job was deleted.
INSERT INTO worker_error (job, task, fence, node, class, code, host, label, message, at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE NOT EXISTS (SELECT 1 FROM deleted_job WHERE id = ?1)
ON CONFLICT (job, task, fence) DO NOTHING
