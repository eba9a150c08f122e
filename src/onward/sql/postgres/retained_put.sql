INSERT INTO onward.retained (topic, partition, "offset", count)
VALUES (%(topic)s, %(partition)s, %(offset)s, %(count)s)
ON CONFLICT (topic, partition) DO UPDATE SET
    "offset" = greatest(retained."offset", excluded."offset"), count = retained.count + excluded.count
