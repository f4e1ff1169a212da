-- Forgets a process.
DELETE FROM mailscan.node WHERE node = $1
