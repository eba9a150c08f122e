SELECT n.nspname, current_schema()
FROM (SELECT to_regclass('onward_cursor') AS there) found
LEFT JOIN pg_class c ON c.oid = found.there
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
