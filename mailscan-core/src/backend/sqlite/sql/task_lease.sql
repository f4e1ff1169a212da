-- Leases a task that is not ready any more.
INSERT INTO task_lease (task, job, fence, due, marked) VALUES (?1, ?2, ?3, ?4, ?5)
