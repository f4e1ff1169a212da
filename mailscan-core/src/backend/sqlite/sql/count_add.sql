-- Moves the counts of a job.
INSERT INTO task_count (job, pending, suspect, delayed, leased, done, blocked, failed, quarantined)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (job) DO UPDATE SET
    pending = pending + excluded.pending,
    suspect = suspect + excluded.suspect,
    delayed = delayed + excluded.delayed,
    leased = leased + excluded.leased,
    done = done + excluded.done,
    blocked = blocked + excluded.blocked,
    failed = failed + excluded.failed,
    quarantined = quarantined + excluded.quarantined
