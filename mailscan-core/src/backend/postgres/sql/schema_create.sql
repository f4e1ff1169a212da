-- Room for everything, apart from what else is in the database.
CREATE SCHEMA IF NOT EXISTS mailscan;
CREATE TABLE IF NOT EXISTS mailscan.schema (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version integer NOT NULL,
    oldest integer NOT NULL
);
INSERT INTO mailscan.schema (version, oldest) VALUES (0, 0) ON CONFLICT DO NOTHING;
