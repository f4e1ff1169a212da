-- Adds an address.
INSERT INTO address (id, job, email, source, offset, form, classes, found_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
