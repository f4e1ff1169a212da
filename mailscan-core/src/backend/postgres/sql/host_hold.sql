-- Keeps the places of a process at these hosts.
UPDATE mailscan.host_place SET until = statement_timestamp() + make_interval(secs => $3)
WHERE node = $1 AND host = ANY ($2)
