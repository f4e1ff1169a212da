-- Forgets what a job left out.
DELETE FROM mailscan.left_out WHERE job = $1
