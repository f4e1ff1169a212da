-- A batch keeps the names of its sources without a look at earlier ones: few come again, and an index of hashes touches a
-- page for each.
DROP INDEX source_hash;
ALTER TABLE source DROP COLUMN hash;
-- Whose it is. Those of an earlier version belong to any number of jobs, so they have none.
ALTER TABLE source ADD COLUMN job INTEGER;
