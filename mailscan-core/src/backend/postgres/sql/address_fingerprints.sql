-- The fingerprints of a job's addresses by id.
SELECT id, fingerprint FROM mailscan.address WHERE job + 0 = $1 AND id > $2 ORDER BY id LIMIT $3
