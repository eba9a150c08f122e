SELECT id, result FROM onward.request WHERE id = ANY(%(ids)s::bigint[]) AND done IS NOT NULL
