-- Begins a step. The server ends it where its process stands still, since all who come later wait for the right to take it, and
-- many for the tables that it has changed.
BEGIN;
SET LOCAL idle_in_transaction_session_timeout = '5s'
