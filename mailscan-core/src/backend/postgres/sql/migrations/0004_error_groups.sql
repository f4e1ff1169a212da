-- Groups of a job's errors are read from this index alone, in order, the newest of each group first.
CREATE INDEX worker_error_group ON mailscan.worker_error ((job + 0), class, code, host, id DESC)
    INCLUDE (job, resolved_at);
