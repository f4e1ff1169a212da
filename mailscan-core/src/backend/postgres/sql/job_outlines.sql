-- The specifications of the jobs of ids.
SELECT id, spec FROM mailscan.job WHERE id = ANY ($1)
