-- Forgets a part.
DELETE FROM entry_part WHERE id = ?1
