-- Jobs, addresses, tasks, processes and errors. All times are the server's.
--
-- Where a table has two indexes that begin with the job, one of them has `job + 0` instead, and a query says which it
-- means. Statistics are often older than the job, and then the server takes every job for one row and either index for
-- as good as the other.
CREATE TABLE mailscan.job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    spec text NOT NULL,
    target bigint NOT NULL,
    status text NOT NULL,
    reason text,
    seeded boolean NOT NULL DEFAULT false,
    collected bigint NOT NULL DEFAULT 0,
    active_ms bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    started_at timestamptz,
    finished_at timestamptz
) WITH (fillfactor = 50);

-- A run of addresses that one batch saw in one source. Its id is that of its first address.
CREATE TABLE mailscan.source (
    job bigint NOT NULL,
    id bigint NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (job, id)
);

-- The ids of a job's addresses are 1, 2, 3 in the order in which they were first seen. Whoever adds some holds the job's
-- row, so what is new when it is looked for is new when it is added; should two ever add at once, their ids collide and one
-- of them fails. An index of fingerprints is smaller than one of texts, and compares numbers.
CREATE TABLE mailscan.address (
    job bigint NOT NULL,
    id bigint NOT NULL,
    source bigint NOT NULL,
    place bigint NOT NULL,
    found_at timestamptz NOT NULL,
    classes integer NOT NULL,
    -- Of the identity: it only says where to look, the text decides.
    fingerprint bigint NOT NULL,
    identity text COLLATE "C" NOT NULL,
    -- As it was written, where that is not the identity.
    email text,
    form text NOT NULL
);
CREATE INDEX address_fingerprint ON mailscan.address (job, fingerprint);
CREATE UNIQUE INDEX address_order ON mailscan.address ((job + 0), id);

CREATE SEQUENCE mailscan.task_id;
CREATE TABLE mailscan.task (
    id bigint PRIMARY KEY,
    job bigint NOT NULL,
    fingerprint bigint NOT NULL,
    -- When it became ready, becomes ready, or its lease ends.
    due timestamptz NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    depth integer NOT NULL,
    retries integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0,
    -- Tells tasks of one fingerprint apart.
    probe smallint NOT NULL,
    -- 0 pending, 1 suspect, 2 delayed, 3 leased, 4 done, 5 blocked, 6 failed, 7 quarantined.
    state smallint NOT NULL,
    host text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    locator text NOT NULL,
    error text,
    UNIQUE (job, fingerprint, probe)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
CREATE INDEX task_pending ON mailscan.task ((job + 0), host, due, id) WHERE state = 0;
CREATE INDEX task_suspect ON mailscan.task ((job + 0), crashes, due, id) WHERE state = 1;
CREATE INDEX task_delayed ON mailscan.task ((job + 0), due) WHERE state = 2;
CREATE INDEX task_leased ON mailscan.task (due) WHERE state = 3;
CREATE INDEX task_list ON mailscan.task ((job + 0)) WHERE kind = 'list' AND state < 4;

-- How many tasks of a job are in which state: the sum over its slots. Whoever moves tasks writes to a slot picked at
-- random, so that nodes do not wait for each other; one slot by itself may be below zero. Slot -1 counts nothing: its
-- lock is the right to push tasks under a limit.
CREATE TABLE mailscan.task_count (
    job bigint NOT NULL,
    slot smallint NOT NULL,
    pending bigint NOT NULL DEFAULT 0,
    suspect bigint NOT NULL DEFAULT 0,
    delayed bigint NOT NULL DEFAULT 0,
    leased bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    blocked bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (job, slot)
) WITH (fillfactor = 50);

-- Mentions of addresses that ended tasks left out, in slots as well.
CREATE TABLE mailscan.left_out (
    job bigint NOT NULL,
    class text NOT NULL,
    slot smallint NOT NULL,
    mentions bigint NOT NULL,
    PRIMARY KEY (job, class, slot)
) WITH (fillfactor = 50);

CREATE TABLE mailscan.node (
    node text PRIMARY KEY,
    host text NOT NULL,
    pid bigint NOT NULL,
    workers text NOT NULL,
    bounds text NOT NULL,
    beat_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE mailscan.worker_error (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job bigint NOT NULL,
    task bigint NOT NULL,
    fence bigint NOT NULL,
    node text NOT NULL,
    class text NOT NULL,
    code text NOT NULL,
    host text NOT NULL,
    label text NOT NULL,
    message text NOT NULL,
    at timestamptz NOT NULL,
    resolved_at timestamptz,
    note text,
    UNIQUE (job, task, fence)
);
CREATE INDEX worker_error_open ON mailscan.worker_error (job, id) WHERE resolved_at IS NULL;
