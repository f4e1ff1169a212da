-- The mentions that a job left out, by class.
SELECT class, mentions FROM left_out WHERE job = ?1
