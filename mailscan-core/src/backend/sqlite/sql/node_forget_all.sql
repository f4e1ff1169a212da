-- Forgets all processes.
DELETE FROM node
