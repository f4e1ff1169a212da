-- The version of the schema, and the oldest mailscan that it serves, by the version that one knows.
SELECT version, oldest FROM mailscan.schema
