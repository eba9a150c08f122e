SELECT delivery_id, event_id FROM {schema}.loader_sequence WHERE process = %(process)s
