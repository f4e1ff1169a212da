-- Takes the right to give turns at a host.
SELECT 1 FROM mailscan.host WHERE host = $1 FOR NO KEY UPDATE
