SELECT delivery_id, event_id FROM loader_sequence WHERE process = :process
