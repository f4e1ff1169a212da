-- The specifications of the jobs of a JSON array of ids.
SELECT job, spec FROM job_spec WHERE job IN (SELECT value FROM json_each(?1))
