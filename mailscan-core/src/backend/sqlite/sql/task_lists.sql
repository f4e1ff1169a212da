-- The parts of lists that are still to be read.
SELECT locator FROM task WHERE job = ?1 AND kind = 'list' AND state < 4
