-- Whether there is a schema of ours, the version of the server and its encoding.
SELECT to_regclass('mailscan.schema') IS NOT NULL,
    current_setting('server_version_num')::integer,
    current_setting('server_encoding')
