UPDATE {segment} SET entries = '[]', keys = NULL, size = 2
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s
