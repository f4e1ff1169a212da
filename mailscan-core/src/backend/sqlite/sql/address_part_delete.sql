-- Forgets the parts of a run.
DELETE FROM address_part WHERE run = ?1
