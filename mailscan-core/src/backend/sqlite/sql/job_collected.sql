-- Counts the addresses that a batch added, and widens the range of their ids.
UPDATE job
SET collected = collected + ?2,
    first_address = min(coalesce(first_address, ?3), ?3),
    last_address = max(coalesce(last_address, ?4), ?4)
WHERE id = ?1
