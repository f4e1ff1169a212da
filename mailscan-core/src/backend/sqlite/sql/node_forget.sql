-- Forgets a process.
DELETE FROM node WHERE node = ?1
