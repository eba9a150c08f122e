DELETE FROM onward.attempt WHERE id = ANY(%(ids)s::bigint[])
