-- Jobs, addresses, tasks, processes and errors. Times are milliseconds since 1970.
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    spec TEXT NOT NULL,
    target INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    seeded INTEGER NOT NULL DEFAULT 0,
    collected INTEGER NOT NULL DEFAULT 0,
    active_ms INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    -- The range of the job's address ids, so that reading them in order needs no index of its own.
    first_address INTEGER,
    last_address INTEGER
);

-- The hash says where to look; the name decides.
CREATE TABLE source (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, name TEXT NOT NULL);
CREATE INDEX source_hash ON source (hash);

CREATE TABLE address (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    -- Tells addresses of one fingerprint apart.
    probe INTEGER NOT NULL,
    email TEXT NOT NULL,
    source INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    form TEXT NOT NULL,
    found_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX address_fingerprint ON address (job, fingerprint, probe);

CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    probe INTEGER NOT NULL,
    kind TEXT NOT NULL,
    locator TEXT NOT NULL,
    host TEXT NOT NULL,
    depth INTEGER NOT NULL,
    -- 0 pending, 1 suspect, 2 delayed, 3 leased, 4 done, 5 blocked, 6 failed, 7 quarantined.
    state INTEGER NOT NULL,
    -- When it became ready, becomes ready, or its lease ends: milliseconds shifted up by 20 bits, then a sequence.
    due INTEGER NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    error TEXT
);
CREATE UNIQUE INDEX task_fingerprint ON task (job, fingerprint, probe);
CREATE INDEX task_pending ON task (job, host, due) WHERE state = 0;
CREATE INDEX task_suspect ON task (job, crashes, due) WHERE state = 1;
CREATE INDEX task_delayed ON task (job, due) WHERE state = 2;
CREATE INDEX task_leased ON task (due) WHERE state = 3;

-- How many tasks of a job are in which state, kept in step by every statement that moves one.
CREATE TABLE task_count (
    job INTEGER PRIMARY KEY,
    pending INTEGER NOT NULL,
    suspect INTEGER NOT NULL,
    delayed INTEGER NOT NULL,
    leased INTEGER NOT NULL,
    done INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    quarantined INTEGER NOT NULL
);

CREATE TABLE node (
    node TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    workers TEXT NOT NULL,
    beat_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE worker_error (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    task INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    node TEXT NOT NULL,
    class TEXT NOT NULL,
    code TEXT NOT NULL,
    host TEXT NOT NULL,
    label TEXT NOT NULL,
    message TEXT NOT NULL,
    at INTEGER NOT NULL,
    resolved_at INTEGER,
    note TEXT
);
CREATE UNIQUE INDEX worker_error_delivery ON worker_error (job, task, fence);
