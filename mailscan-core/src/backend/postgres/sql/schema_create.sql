-- What says which version the schema has.
CREATE TABLE IF NOT EXISTS mailscan.schema (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version integer NOT NULL,
    oldest integer NOT NULL
);
INSERT INTO mailscan.schema (version, oldest) VALUES (0, 0) ON CONFLICT DO NOTHING;
