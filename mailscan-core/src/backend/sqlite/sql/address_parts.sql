-- All parts of a run.
SELECT entries FROM address_part WHERE run = ?1
