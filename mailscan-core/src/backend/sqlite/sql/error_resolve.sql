-- Resolves open errors: of a job, of a class, with a code, at a host.
UPDATE worker_error SET resolved_at = ?1, note = ?2, retried = ?3
WHERE resolved_at IS NULL
  AND (?4 IS NULL OR job = ?4) AND (?5 IS NULL OR class = ?5) AND (?6 IS NULL OR code = ?6) AND (?7 IS NULL OR host = ?7)
