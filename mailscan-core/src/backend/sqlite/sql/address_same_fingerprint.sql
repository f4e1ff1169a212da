-- The addresses of a job that share a fingerprint.
SELECT probe, email FROM address WHERE job = ?1 AND fingerprint = ?2 ORDER BY probe
