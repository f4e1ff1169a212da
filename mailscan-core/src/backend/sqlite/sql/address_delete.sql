-- Forgets an address.
DELETE FROM address WHERE id = ?1
