-- Lets a task that waits for its time wait no longer.
UPDATE task SET due = ?2 WHERE id = ?1
