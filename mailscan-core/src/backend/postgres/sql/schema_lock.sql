-- The right to change the schema, until the transaction ends.
SELECT pg_advisory_xact_lock($1)
