SELECT
    system_identifier::text,
    (SELECT oid::text FROM pg_database WHERE datname = current_database()),
    current_setting('transaction_isolation'),
    EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'onward')
FROM pg_control_system()
