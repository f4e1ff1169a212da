-- The index of addresses by fingerprint, as sorted runs. An entry is a fingerprint and the id of its address, 16 bytes.
CREATE TABLE address_run (id INTEGER PRIMARY KEY, job INTEGER NOT NULL, entries INTEGER NOT NULL);
CREATE INDEX address_run_job ON address_run (job, id);
CREATE TABLE address_part (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    -- The fingerprint of the first entry.
    first INTEGER NOT NULL,
    entries BLOB NOT NULL
);
CREATE UNIQUE INDEX address_part_first ON address_part (run, first);
