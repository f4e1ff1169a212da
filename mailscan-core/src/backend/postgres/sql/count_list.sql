-- How many tasks of these jobs are in which state.
SELECT job, coalesce(sum(pending), 0)::bigint, coalesce(sum(suspect), 0)::bigint, coalesce(sum(delayed), 0)::bigint,
    coalesce(sum(leased), 0)::bigint, coalesce(sum(done), 0)::bigint, coalesce(sum(blocked), 0)::bigint,
    coalesce(sum(failed), 0)::bigint, coalesce(sum(quarantined), 0)::bigint
FROM mailscan.task_count WHERE job = ANY ($1) GROUP BY job
