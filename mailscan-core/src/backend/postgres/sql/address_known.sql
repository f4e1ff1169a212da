-- Which of these identities a job has, by their places.
SELECT i.nth
FROM unnest($2::text[]) WITH ORDINALITY AS i (identity, nth)
WHERE EXISTS (SELECT FROM mailscan.address a WHERE a.job = $1 AND a.identity = i.identity COLLATE "C")
    AND EXISTS (SELECT FROM mailscan.job WHERE id = $1)
