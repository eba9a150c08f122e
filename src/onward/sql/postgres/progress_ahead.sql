SELECT finished FROM onward.progress
WHERE stage = %(stage)s AND partition = %(partition)s AND last > %(next)s ORDER BY last
