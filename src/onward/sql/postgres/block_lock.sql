SELECT pg_advisory_xact_lock(onward.lock_of(number, partition))
FROM (
    SELECT DISTINCT topic.number, wanted.partition
    FROM unnest(%(topics)s::text[], %(partitions)s::integer[]) AS wanted (name, partition)
    JOIN onward.topic ON topic.name = wanted.name
    ORDER BY topic.number, wanted.partition
) AS ordered
