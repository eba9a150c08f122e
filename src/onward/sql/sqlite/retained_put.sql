INSERT INTO retained (topic, partition, "offset", count) VALUES (:topic, :partition, :offset, :count)
ON CONFLICT (topic, partition) DO UPDATE SET
    "offset" = max(retained."offset", excluded."offset"), count = retained.count + excluded.count
