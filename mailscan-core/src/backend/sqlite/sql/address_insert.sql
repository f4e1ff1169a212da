-- Adds an address, unless its fingerprint is taken at this probe.
INSERT INTO address (id, job, fingerprint, probe, email, source, offset, form, found_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT DO NOTHING
