-- Which of these identities a job has, by their places. Each is looked up by itself: a join would read the whole job.
SELECT i.nth
FROM unnest($2::text[]) WITH ORDINALITY AS i (identity, nth)
WHERE (SELECT true FROM mailscan.address a WHERE a.job = $1 AND a.identity = i.identity COLLATE "C")
    AND EXISTS (SELECT FROM mailscan.job WHERE id = $1)
