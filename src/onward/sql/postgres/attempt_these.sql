SELECT stage, partition, "offset", number, at, took, error, message, traceback
FROM onward.attempt
JOIN unnest(%(stages)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[]) AS wanted (stage, partition, "offset")
USING (stage, partition, "offset")
ORDER BY attempt.id
