-- Creates a job, unless its key names one. Looks first, so that a repeated creation uses up no id.
INSERT INTO mailscan.job (key, spec, target, status, api_roots)
SELECT $1, $2, $3, 'queued', $4 WHERE NOT EXISTS (SELECT FROM mailscan.job WHERE key = $1)
ON CONFLICT (key) DO NOTHING
RETURNING id
