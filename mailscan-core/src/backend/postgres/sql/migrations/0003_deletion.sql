-- Deleted jobs. The rows stay, so that nothing can be stored for such a job any more.
CREATE TABLE mailscan.deleted_job (id bigint PRIMARY KEY, purged boolean NOT NULL DEFAULT false);
CREATE INDEX deleted_job_left ON mailscan.deleted_job (id) WHERE NOT purged;
-- Whether the job takes no more tasks because it was deleted; told by slot -1.
ALTER TABLE mailscan.task_count ADD COLUMN closed boolean NOT NULL DEFAULT false;
-- Whether the task of a resolved error was to be tried again.
ALTER TABLE mailscan.worker_error ADD COLUMN retried boolean NOT NULL DEFAULT false;
-- The errors of one job are listed in order among those of any number of others.
CREATE INDEX worker_error_job ON mailscan.worker_error (job, id);
