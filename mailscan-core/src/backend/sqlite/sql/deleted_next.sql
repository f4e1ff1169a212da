-- Notes up to where the addresses of a deleted job were looked at; null when that is all of them.
UPDATE deleted_job SET next_address = ?2 WHERE id = ?1
