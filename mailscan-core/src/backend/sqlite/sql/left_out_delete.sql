-- Forgets what a job left out.
DELETE FROM left_out WHERE job = ?1
