-- Moves a job to a state. `$4` is whether it begins to run, `$5` whether it is settled.
UPDATE mailscan.job
SET status = $2,
    reason = $3,
    started_at = CASE WHEN $4 THEN coalesce(started_at, statement_timestamp()) ELSE started_at END,
    finished_at = CASE WHEN $5 THEN statement_timestamp() END
WHERE id = $1
