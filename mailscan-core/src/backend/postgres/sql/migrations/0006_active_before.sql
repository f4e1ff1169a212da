-- How much of the time at work was over at the last resume: the time limit counts from there. For jobs of before it counts
-- from now on.
ALTER TABLE mailscan.job ADD COLUMN active_before_ms bigint NOT NULL DEFAULT 0;
UPDATE mailscan.job SET active_before_ms = active_ms;
