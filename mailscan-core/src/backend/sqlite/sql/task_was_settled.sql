-- Whether a task was given back under this lease: the fence is still its own, the lease is over.
SELECT count(*) FROM task WHERE id = ?1 AND job = ?2 AND fence = ?3 AND fence > 0 AND state <> 3
