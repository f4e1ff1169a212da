-- Adds to the mentions that a job left out.
INSERT INTO left_out (job, class, mentions) VALUES (?1, ?2, ?3)
ON CONFLICT (job, class) DO UPDATE SET mentions = mentions + excluded.mentions
