-- Jobs at work are looked for four times a second by each process, among any number of jobs that are over. `id + 0`,
-- or the server would rather go through the primary key where it takes jobs at work for many.
CREATE INDEX job_status ON mailscan.job (status, (id + 0));
