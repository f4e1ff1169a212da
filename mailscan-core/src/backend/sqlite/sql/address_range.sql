-- Between which ids the addresses of a job are.
SELECT first_address, last_address FROM job WHERE id = ?1
