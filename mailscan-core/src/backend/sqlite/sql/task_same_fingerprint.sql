-- The tasks of a job that share a fingerprint.
SELECT id, probe, kind, locator FROM task WHERE job = ?1 AND fingerprint = ?2 ORDER BY probe
