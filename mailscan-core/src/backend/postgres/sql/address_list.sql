-- Addresses of a job by id.
SELECT a.id, coalesce(a.email, a.identity), s.name, a.place, a.form, a.classes, a.found_at
FROM mailscan.address a JOIN mailscan.source s ON s.job = a.job AND s.id = a.source
WHERE a.job = $1 AND a.id > $2 AND EXISTS (SELECT FROM mailscan.job WHERE id = $1)
ORDER BY a.id LIMIT $3
