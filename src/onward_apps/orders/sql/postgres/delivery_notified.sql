UPDATE {schema}.loader_deliveries SET notified_at = %(notified_at)s
WHERE process = %(process)s AND delivery_id = %(delivery_id)s AND notified_at IS NULL
