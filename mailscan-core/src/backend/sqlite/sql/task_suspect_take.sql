-- Takes a suspect away from the others: its lease says the rest.
UPDATE task SET state = 0 WHERE id = ?1
