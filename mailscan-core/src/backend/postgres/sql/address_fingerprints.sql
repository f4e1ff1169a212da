-- The fingerprints of a job's addresses behind an id, some at a time: the last id of them, and all in one array instead of
-- as many rows.
SELECT max(page.id), array_agg(page.fingerprint)
FROM (SELECT id, fingerprint FROM mailscan.address WHERE job + 0 = $1 AND id > $2 ORDER BY id LIMIT $3) page
