-- Records errors, once for each delivery, in the order of the input, but not of deleted jobs.
INSERT INTO mailscan.worker_error (job, task, fence, node, class, code, host, label, message, at)
SELECT job, task, fence, node, class, code, host, label, message, statement_timestamp()
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    WITH ORDINALITY AS e (job, task, fence, node, class, code, host, label, message, nth)
WHERE NOT EXISTS (SELECT FROM mailscan.deleted_job d WHERE d.id = e.job)
ORDER BY nth
ON CONFLICT (job, task, fence) DO NOTHING
