-- Addresses of a job by id. The plus signs keep the reader on the order of ids, within the job's own range.
SELECT address.id, email, source.name, address.offset, form, classes, found_at
FROM address CROSS JOIN source ON source.id = address.source
WHERE +address.job = ?1
  AND address.id > ?2
  AND address.id >= (SELECT first_address FROM job WHERE id = ?1)
  AND address.id <= (SELECT last_address FROM job WHERE id = ?1)
ORDER BY address.id LIMIT ?3
