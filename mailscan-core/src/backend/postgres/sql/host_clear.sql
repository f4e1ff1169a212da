-- Clears away hosts that nobody has asked for an hour, and places that nobody keeps: some at a time, and none that
-- somebody is about to use.
WITH unkept AS (
    SELECT host, node FROM mailscan.host_place
    WHERE until < statement_timestamp() - interval '1 hour' LIMIT 20000 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM mailscan.host_place p USING unkept u WHERE p.host = u.host AND p.node = u.node
), idle AS (
    SELECT host FROM mailscan.host
    WHERE next < statement_timestamp() - interval '1 hour' LIMIT 20000 FOR UPDATE SKIP LOCKED
)
DELETE FROM mailscan.host h USING idle i WHERE h.host = i.host
