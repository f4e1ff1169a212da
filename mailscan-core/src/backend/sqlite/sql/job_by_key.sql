-- The job that a key names.
SELECT id FROM job WHERE key = ?1
