-- Ready tasks of a job at one host, in the order in which they became ready.
SELECT id, job, kind, locator, depth, fence, retries, crashes
FROM task WHERE job = ?1 AND state = 0 AND host = ?2 ORDER BY due LIMIT ?3
