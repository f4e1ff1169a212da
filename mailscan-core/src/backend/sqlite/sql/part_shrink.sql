-- Leaves the first entries of a part.
UPDATE entry_part SET entries = substr(entries, 1, ?2) WHERE id = ?1
