-- What deleted jobs have left: the range of address ids that is still to be looked at. The rows stay, so that no id is used
-- again and nothing can be stored for such a job any more.
CREATE TABLE deleted_job (
    id INTEGER PRIMARY KEY,
    next_address INTEGER,
    last_address INTEGER,
    purged INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX deleted_job_left ON deleted_job (id) WHERE purged = 0;
-- Whether the job takes no more tasks because it was deleted.
ALTER TABLE task_count ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;
-- Whether the task of a resolved error was to be tried again.
ALTER TABLE worker_error ADD COLUMN retried INTEGER NOT NULL DEFAULT 0;
-- The errors of one job are listed in order among those of any number of others.
CREATE INDEX worker_error_job ON worker_error (job, id);
