-- Puts a task on the queue.
INSERT INTO task (job, kind, locator, host, depth, state, due) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)
