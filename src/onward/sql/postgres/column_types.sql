SELECT column_name::text, data_type::text FROM information_schema.columns
WHERE table_schema = 'onward' AND table_name = %(table)s::text
