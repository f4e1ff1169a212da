-- Says that a task has ended, under which lease and how.
UPDATE task SET state = ?3, fence = ?2, error = coalesce(?4, error) WHERE id = ?1
