-- The addresses of a job in the order of fingerprints.
SELECT fingerprint, id FROM address WHERE job = ?1 ORDER BY fingerprint, id
