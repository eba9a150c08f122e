INSERT INTO {schema}.loader_deliveries (
    process, delivery_id, source_key, identity, size, last_modified, kind, source_table, entity, rows_read,
    rows_unchanged, summary, ignored, warnings, max_event_id, row_creation, runtime, host, version
) VALUES (
    %(process)s, %(delivery_id)s, %(source_key)s, %(identity)s, %(size)s, %(last_modified)s, %(kind)s,
    %(source_table)s, %(entity)s, %(rows_read)s, %(rows_unchanged)s, %(summary)s, %(ignored)s, %(warnings)s,
    %(max_event_id)s, %(row_creation)s, make_interval(secs => %(runtime)s), %(host)s, %(version)s
)
