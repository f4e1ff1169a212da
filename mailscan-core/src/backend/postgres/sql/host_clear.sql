-- Clears away hosts that nobody has asked for an hour, and places that nobody keeps.
WITH gone AS (DELETE FROM mailscan.host_place WHERE until < statement_timestamp() - interval '1 hour')
DELETE FROM mailscan.host WHERE next < statement_timestamp() - interval '1 hour'
