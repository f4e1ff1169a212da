-- Extends leases that are still held; answers their places.
WITH input AS MATERIALIZED (
    SELECT i.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS i (id, job, fence, nth)
), held AS MATERIALIZED (
    SELECT t.id FROM mailscan.task t WHERE t.id = ANY ($1) ORDER BY t.id FOR NO KEY UPDATE
)
UPDATE mailscan.task t SET due = statement_timestamp() + make_interval(secs => $4)
FROM input i JOIN held h ON h.id = i.id
WHERE t.id = i.id AND t.job + 0 = i.job AND t.fence = i.fence AND t.state = 3
RETURNING i.nth
