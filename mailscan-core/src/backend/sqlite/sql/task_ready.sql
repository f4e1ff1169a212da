-- Makes a task ready; its row says the same.
INSERT INTO task_ready (job, host, due, task) VALUES (?1, ?2, ?3, ?4)
