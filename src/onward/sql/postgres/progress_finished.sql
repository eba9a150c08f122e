SELECT finished FROM onward.progress WHERE stage = %(stage)s AND partition = %(partition)s AND count > 0 ORDER BY first
