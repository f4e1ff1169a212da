-- Forgets parts of the runs of a job.
DELETE FROM entry_part WHERE id IN (
    SELECT entry_part.id FROM entry_run JOIN entry_part ON entry_part.run = entry_run.id
    WHERE entry_run.table_name = ?1 AND entry_run.job = ?2 LIMIT ?3
)
