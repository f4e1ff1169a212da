-- Keeps the name of a source.
INSERT INTO source (hash, name) VALUES (?1, ?2)
