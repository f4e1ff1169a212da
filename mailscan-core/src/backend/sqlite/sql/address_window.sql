-- The next addresses in a range of ids, with their jobs and sources.
SELECT id, job, source FROM address WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT ?3
