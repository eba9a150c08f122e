DELETE FROM onward.request WHERE id = ANY(%(ids)s::bigint[])
