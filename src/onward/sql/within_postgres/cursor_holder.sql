SELECT pg_terminate_backend(held.pid)
FROM {schema}.onward_cursor c
JOIN pg_locks held ON held.locktype = 'transactionid' AND held.transactionid = c.xmax AND held.granted
JOIN pg_stat_activity a ON a.pid = held.pid AND a.application_name = current_setting('application_name')
WHERE c.stage = %(stage)s AND c.partition = %(partition)s AND held.pid <> pg_backend_pid()
