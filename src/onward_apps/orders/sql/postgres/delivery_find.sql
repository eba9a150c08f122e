SELECT
    delivery_id, identity, entity, summary::text, rows_read, rows_unchanged, ignored::text, warnings::text,
    max_event_id, extract(epoch FROM runtime)::double precision
FROM {schema}.loader_deliveries
WHERE process = %(process)s AND source_key = %(source_key)s
ORDER BY delivery_id DESC
LIMIT 1
