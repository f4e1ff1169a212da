-- The tasks of a job in the order of fingerprints.
SELECT fingerprint, id FROM task WHERE job = ?1 ORDER BY fingerprint, id
