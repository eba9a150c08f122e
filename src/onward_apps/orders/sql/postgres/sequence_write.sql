INSERT INTO {schema}.loader_sequence (process, delivery_id, event_id)
VALUES (%(process)s, %(delivery_id)s, %(event_id)s)
ON CONFLICT (process) DO UPDATE SET delivery_id = excluded.delivery_id, event_id = excluded.event_id
