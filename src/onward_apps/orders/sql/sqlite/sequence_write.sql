INSERT INTO loader_sequence (process, delivery_id, event_id) VALUES (:process, :delivery_id, :event_id)
ON CONFLICT (process) DO UPDATE SET delivery_id = excluded.delivery_id, event_id = excluded.event_id
