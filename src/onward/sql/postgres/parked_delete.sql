DELETE FROM onward.parked
WHERE stage = %(stage)s AND partition = %(partition)s AND "offset" = ANY (%(offsets)s::bigint[])
