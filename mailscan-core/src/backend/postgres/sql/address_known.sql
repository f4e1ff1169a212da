-- Which of these identities a job has, by their places. Each is looked up by itself: a join would read the whole job.
SELECT i.nth
FROM unnest($2::text[], $3::bigint[]) WITH ORDINALITY AS i (identity, fingerprint, nth)
WHERE (
        SELECT true FROM mailscan.address a
        WHERE a.job = $1 AND a.fingerprint = i.fingerprint AND a.identity = i.identity COLLATE "C" LIMIT 1
    )
    AND EXISTS (SELECT FROM mailscan.job WHERE id = $1)
