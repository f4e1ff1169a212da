-- Lets a task that waits for its time wait no longer, whatever the clock was by which it is told.
UPDATE task SET due = 0 WHERE id = ?1
