UPDATE loader_deliveries SET notified_at = :notified_at
WHERE process = :process AND delivery_id = :delivery_id AND notified_at IS NULL
