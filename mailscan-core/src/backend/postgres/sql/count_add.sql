-- Counts pushed tasks.
INSERT INTO mailscan.task_count AS c (job, slot, pending)
SELECT n.job, $3, n.tasks FROM unnest($1::bigint[], $2::bigint[]) AS n (job, tasks) ORDER BY n.job
ON CONFLICT (job, slot) DO UPDATE SET pending = c.pending + excluded.pending
