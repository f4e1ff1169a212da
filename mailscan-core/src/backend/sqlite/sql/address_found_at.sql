-- The first address from an id on, of whichever job, and when it was found.
SELECT id, found_at FROM address WHERE id >= ?1 ORDER BY id LIMIT 1
