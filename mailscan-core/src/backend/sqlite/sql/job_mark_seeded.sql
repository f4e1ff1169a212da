-- Notes that the first tasks of a job are all on the queue.
UPDATE job SET seeded = 1 WHERE id = ?1
