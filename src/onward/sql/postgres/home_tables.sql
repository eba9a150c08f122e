SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'onward' AND relkind = 'r' AND relname NOT IN ('home', 'schema_version')
ORDER BY relname
