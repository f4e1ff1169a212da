-- Gives back the places of a process at these hosts.
DELETE FROM mailscan.host_place WHERE node = $1 AND host = ANY ($2)
