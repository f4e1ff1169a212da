-- The ready suspects of a job, those with the fewest crashes first.
SELECT id, job, kind, locator, depth, fence, retries, crashes, host, due
FROM task WHERE job = ?1 AND state = 1 ORDER BY crashes, due
