-- What is ready and what is leased stand in tables of their own, so that a task that is claimed and done leaves its row,
-- which is long, as it is.
--
-- The state in a row is what was last written there. Where that is 0, pending, the tables say what has become of the task
-- since: ready while task_ready has it, leased while task_lease has it, and done when neither has. The fence of a row is
-- the one before the next, save for such a task that is leased or done: the fence of that lease is one more.
CREATE TABLE task_ready (
    job INTEGER NOT NULL,
    host TEXT NOT NULL,
    -- As in the task's row.
    due INTEGER NOT NULL,
    task INTEGER NOT NULL,
    PRIMARY KEY (job, host, due, task)
) WITHOUT ROWID;
CREATE TABLE task_lease (
    task INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    -- When the lease ends.
    due INTEGER NOT NULL,
    -- Whether the row is to say that the task is done: parts of lists are looked for by it.
    marked INTEGER NOT NULL
);
INSERT INTO task_ready (job, host, due, task)
SELECT job, host, due, id FROM task WHERE state = 0 ORDER BY job, host, due, id;
INSERT INTO task_lease (task, job, fence, due, marked) SELECT id, job, fence, due, kind = 'list' FROM task WHERE state = 3;
UPDATE task SET state = 0, fence = fence - 1 WHERE state = 3;
DROP INDEX task_pending;
DROP INDEX task_leased;
