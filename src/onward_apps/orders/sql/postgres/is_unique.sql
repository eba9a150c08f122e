SELECT EXISTS (
    SELECT 1 FROM pg_index i
    WHERE i.indrelid = to_regclass(%(table)s) AND i.indisunique AND i.indpred IS NULL AND i.indisvalid
        AND (SELECT array_agg(attname::text ORDER BY attname::text COLLATE "C") FROM pg_attribute
             WHERE attrelid = i.indrelid AND attnum = ANY (i.indkey)) = %(columns)s::text[]
)
