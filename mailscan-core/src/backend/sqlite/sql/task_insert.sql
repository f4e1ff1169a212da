-- Puts a task on the queue, unless its fingerprint is taken at this probe.
INSERT INTO task (job, fingerprint, probe, kind, locator, host, depth, state, due)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)
ON CONFLICT DO NOTHING
