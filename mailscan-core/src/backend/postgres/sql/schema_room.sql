-- Whether there is room for everything, made by us or by somebody else.
SELECT to_regnamespace('mailscan') IS NOT NULL
