-- How many addresses a job has and may have.
SELECT collected, target FROM job WHERE id = ?1
