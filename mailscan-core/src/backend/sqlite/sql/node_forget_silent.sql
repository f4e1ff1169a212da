-- Forgets the processes that were not heard of since then.
DELETE FROM node WHERE beat_at < ?1
