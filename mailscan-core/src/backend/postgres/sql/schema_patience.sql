-- How long a step waits for a table at most.
SET LOCAL lock_timeout = '2s'
