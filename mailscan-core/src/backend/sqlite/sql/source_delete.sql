-- Removes a source of a job.
DELETE FROM source WHERE id = ?1 AND job = ?2
