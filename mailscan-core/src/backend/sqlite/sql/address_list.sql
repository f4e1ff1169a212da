-- Addresses of a job by id. The plus sign keeps the reader on the order of ids, and one lower bound within the job's own range: of
-- two, it would begin at the first alone.
SELECT address.id, email, source.name, address.offset, form, classes, found_at
FROM address CROSS JOIN source ON source.id = address.source
WHERE +address.job = ?1
  AND address.id > max(?2, (SELECT first_address - 1 FROM job WHERE id = ?1))
  AND address.id <= (SELECT last_address FROM job WHERE id = ?1)
ORDER BY address.id LIMIT ?3
