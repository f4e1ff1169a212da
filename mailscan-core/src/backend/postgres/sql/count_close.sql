-- Lets a job have no tasks any more.
INSERT INTO mailscan.task_count (job, slot, closed) VALUES ($1, -1, true)
ON CONFLICT (job, slot) DO UPDATE SET closed = true
