SELECT setval(pg_get_serial_sequence(
    'onward.' || %(name)s::text, CASE %(name)s::text WHEN 'replay' THEN 'number' ELSE 'id' END
), %(value)s::bigint)
