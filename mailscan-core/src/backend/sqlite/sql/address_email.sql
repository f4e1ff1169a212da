-- The text of an address.
SELECT email FROM address WHERE id = ?1
