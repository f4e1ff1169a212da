-- How much of the time at work was over at the last resume: the time limit counts from there. For jobs of before it counts
-- from now on.
ALTER TABLE job ADD COLUMN active_before_ms INTEGER NOT NULL DEFAULT 0;
UPDATE job SET active_before_ms = active_ms;
