-- Some part of the runs of a job.
SELECT entry_part.id, entry_part.entries FROM entry_run JOIN entry_part ON entry_part.run = entry_run.id
WHERE entry_run.table_name = ?1 AND entry_run.job = ?2 LIMIT 1
