SELECT pg_advisory_xact_lock(onward.lock_of(number, place.partition))
FROM onward.topic CROSS JOIN LATERAL generate_series(0, greatest(partitions, held) - 1) AS place (partition)
WHERE name = %(name)s ORDER BY place.partition
