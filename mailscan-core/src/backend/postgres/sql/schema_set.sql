-- Notes what the schema is now.
UPDATE mailscan.schema SET version = $1, oldest = $2
