-- Below which folders a job that came through the API may read files, as a JSON array. None: the job is the operator's own,
-- and so are those of before.
ALTER TABLE job ADD COLUMN api_roots TEXT;
