SELECT max(unit) FROM onward.progress
WHERE stage = %(stage)s AND partition = %(partition)s AND unit IS NOT NULL
