-- Creates a job, unless its key names one.
INSERT INTO job (key, spec, target, status, created_at) VALUES (?1, ?2, ?3, 'queued', ?4) ON CONFLICT (key) DO NOTHING
