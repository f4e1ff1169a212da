-- Moves a job to a state. `$4` is whether it begins to run, `$5` whether it is settled, `$6` whether it is resumed.
UPDATE mailscan.job
SET status = $2,
    reason = $3,
    started_at = CASE WHEN $4 THEN coalesce(started_at, statement_timestamp()) ELSE started_at END,
    finished_at = CASE WHEN $5 THEN statement_timestamp() END,
    active_before_ms = CASE WHEN $6 THEN active_ms ELSE active_before_ms END
WHERE id = $1
