-- How far lists are read is shown while a job runs, among any number of its pages.
CREATE INDEX task_list ON task (job) WHERE kind = 'list' AND state < 4;
