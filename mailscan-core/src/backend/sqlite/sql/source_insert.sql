-- Keeps the name of a source of a job.
INSERT INTO source (job, name) VALUES (?1, ?2)
