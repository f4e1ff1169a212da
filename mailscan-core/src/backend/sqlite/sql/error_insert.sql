-- Records an error once for each delivery.
INSERT INTO worker_error (job, task, fence, node, class, code, host, label, message, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (job, task, fence) DO NOTHING
