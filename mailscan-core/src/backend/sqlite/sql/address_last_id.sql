-- The largest id given so far.
SELECT coalesce(max(id), 0) FROM address
