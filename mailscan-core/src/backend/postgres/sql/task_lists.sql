-- The parts of lists that are still to be read.
SELECT locator FROM mailscan.task WHERE job + 0 = $1 AND kind = 'list' AND state < 4
