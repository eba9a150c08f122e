DELETE FROM {segment}
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = ANY(%(offsets)s::bigint[])
