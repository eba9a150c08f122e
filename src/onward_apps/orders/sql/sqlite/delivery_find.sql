SELECT delivery_id, identity, entity, summary, rows_read, rows_unchanged, ignored, warnings, max_event_id, runtime
FROM loader_deliveries
WHERE process = :process AND source_key = :source_key
ORDER BY delivery_id DESC
LIMIT 1
