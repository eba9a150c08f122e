INSERT INTO loader_deliveries (
    process, delivery_id, source_key, identity, size, last_modified, kind, source_table, entity, rows_read,
    rows_unchanged, summary, ignored, warnings, max_event_id, row_creation, runtime, host, version
) VALUES (
    :process, :delivery_id, :source_key, :identity, :size, :last_modified, :kind, :source_table, :entity,
    :rows_read, :rows_unchanged, :summary, :ignored, :warnings, :max_event_id, :row_creation, :runtime, :host,
    :version
)
