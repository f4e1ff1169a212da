-- Keeps jobs from being deleted until the transaction ends.
SELECT id FROM mailscan.job WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE
