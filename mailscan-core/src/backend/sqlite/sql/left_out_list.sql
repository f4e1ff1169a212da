-- The mentions that the jobs of a JSON array of ids left out, by class.
SELECT job, class, mentions FROM left_out WHERE job IN (SELECT value FROM json_each(?1))
