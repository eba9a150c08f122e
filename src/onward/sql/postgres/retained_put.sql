INSERT INTO onward.retained (topic, partition, "offset", count, last)
VALUES (%(topic)s, %(partition)s, %(offset)s, %(count)s, %(last)s)
ON CONFLICT (topic, partition) DO UPDATE SET
    "offset" = excluded."offset", count = retained.count + excluded.count, last = excluded.last
