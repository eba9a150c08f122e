SELECT system_identifier::text, (SELECT oid::text FROM pg_database WHERE datname = current_database())
FROM pg_control_system()
