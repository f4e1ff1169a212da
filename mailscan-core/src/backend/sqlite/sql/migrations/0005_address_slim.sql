-- What the runs have taken over.
DROP INDEX address_fingerprint;
ALTER TABLE address DROP COLUMN fingerprint;
ALTER TABLE address DROP COLUMN probe;
