SELECT "offset", number, at, took, error, message, traceback FROM onward.attempt
WHERE stage = %(stage)s AND partition = %(partition)s AND "offset" = %(offset)s ORDER BY id
