-- The mentions that these jobs left out, by class.
SELECT job, class, sum(mentions)::bigint FROM mailscan.left_out WHERE job = ANY ($1) GROUP BY job, class
