-- The sources that share a hash.
SELECT id, name FROM source WHERE hash = ?1
