-- Resolves those of the errors with the ids in a JSON array that are open: of a job, of a class, with a code, at a host. Each is
-- found by its id, however many others are open.
UPDATE worker_error SET resolved_at = ?1, note = ?2, retried = ?3
WHERE id IN (SELECT value FROM json_each(?4)) AND +resolved_at IS NULL
  AND (?5 IS NULL OR job = ?5) AND (?6 IS NULL OR class = ?6) AND (?7 IS NULL OR code = ?7) AND (?8 IS NULL OR host = ?8)
