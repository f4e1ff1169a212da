-- What a task is to do.
SELECT kind, locator FROM task WHERE id = ?1
