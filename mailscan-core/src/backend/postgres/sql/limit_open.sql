-- Makes the rows whose locks are the right to push under a limit.
INSERT INTO mailscan.task_count (job, slot) SELECT job, -1 FROM unnest($1::bigint[]) AS j (job) ORDER BY job
ON CONFLICT (job, slot) DO NOTHING
