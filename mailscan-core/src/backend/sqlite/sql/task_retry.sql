-- Makes a task that was given up ready as if it were new.
UPDATE task SET state = 0, due = ?2, retries = 0, crashes = 0, error = NULL WHERE id = ?1 RETURNING host
