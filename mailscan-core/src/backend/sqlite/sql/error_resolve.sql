-- Resolves open errors: of the ids in a JSON array (all when it is empty), of a job, with a code, at a host.
UPDATE worker_error SET resolved_at = ?1, note = ?2
WHERE resolved_at IS NULL
  AND (?3 = '[]' OR id IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR job = ?4) AND (?5 IS NULL OR code = ?5) AND (?6 IS NULL OR host = ?6)
