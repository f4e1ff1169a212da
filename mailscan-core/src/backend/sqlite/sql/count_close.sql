-- Lets a job have no tasks any more.
INSERT INTO task_count (job, pending, suspect, delayed, leased, done, blocked, failed, quarantined, closed)
VALUES (?1, 0, 0, 0, 0, 0, 0, 0, 0, 1)
ON CONFLICT (job) DO UPDATE SET
    pending = 0, suspect = 0, delayed = 0, leased = 0, done = 0, blocked = 0, failed = 0, quarantined = 0, closed = 1
