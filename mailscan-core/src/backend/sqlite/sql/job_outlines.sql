-- The specifications of the jobs of a JSON array of ids.
SELECT id, spec FROM job WHERE id IN (SELECT value FROM json_each(?1))
