-- Forgets a run.
DELETE FROM address_run WHERE id = ?1
