-- The process of the server that has had a table of the schema for longest, and for longer than a step waits. Whose beginning
-- is not told to us may be the one.
SELECT lock.pid
FROM pg_locks AS lock
    JOIN pg_class AS class ON class.oid = lock.relation
    JOIN pg_stat_activity AS activity USING (pid)
WHERE lock.granted AND pid <> pg_backend_pid()
    AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND class.relnamespace = to_regnamespace('mailscan')
    AND coalesce(activity.xact_start < statement_timestamp() - interval '2 s', true)
ORDER BY activity.xact_start
LIMIT 1
