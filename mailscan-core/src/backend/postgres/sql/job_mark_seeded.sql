-- Notes that the first tasks of a job are all on the queue.
UPDATE mailscan.job SET seeded = true WHERE id = $1 RETURNING id
