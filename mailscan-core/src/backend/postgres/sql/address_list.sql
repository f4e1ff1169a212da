-- Addresses of a job by id.
SELECT a.id, coalesce(a.email, a.identity),
    (SELECT s.name FROM mailscan.source s WHERE s.job = a.job AND s.id = a.source),
    a.place, a.form, a.classes, a.found_at
FROM (
    SELECT * FROM mailscan.address
    WHERE job + 0 = $1 AND id > $2 AND EXISTS (SELECT FROM mailscan.job WHERE id = $1)
    ORDER BY id LIMIT $3
) a
ORDER BY a.id
