-- Forgets parts of the runs of a job.
DELETE FROM address_part WHERE id IN (
    SELECT address_part.id FROM address_run JOIN address_part ON address_part.run = address_run.id
    WHERE address_run.job = ?1 LIMIT ?2
)
