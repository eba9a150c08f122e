SELECT
    stage, partition, "offset", key, state, due, attempts, since, error, reason, batch, approved,
    convert_to(entry, 'UTF8'), nonce
FROM onward.parked
WHERE (stage = %(stage)s::text OR (%(stage)s::text IS NULL AND strpos(stage, '~') = 0))
AND (%(key)s::text IS NULL OR key = %(key)s) AND (%(state)s::text IS NULL OR state = %(state)s)
AND (stage, partition, "offset") > (%(after_stage)s, %(after_partition)s, %(after_offset)s)
ORDER BY stage, partition, "offset" LIMIT %(limit)s
