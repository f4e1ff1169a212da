-- Looks for jobs of a state pass by the others, whose rows may be megabytes of what was asked for.
CREATE INDEX job_status ON job (status, id);
