-- Whether jobs have delayed tasks whose time has come, and whether they have suspects.
SELECT EXISTS (
        SELECT FROM mailscan.task t
        WHERE t.job + 0 = ANY ($1) AND t.state = 2 AND t.due <= statement_timestamp()
    ),
    EXISTS (SELECT FROM mailscan.task t WHERE t.job + 0 = ANY ($1) AND t.state = 1)
