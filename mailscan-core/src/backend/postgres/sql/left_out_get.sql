-- The mentions that a job left out, by class.
SELECT class, sum(mentions)::bigint FROM mailscan.left_out WHERE job = $1 GROUP BY class
