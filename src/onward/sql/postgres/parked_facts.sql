SELECT "offset", key, state FROM onward.parked WHERE stage = %(stage)s AND partition = %(partition)s ORDER BY "offset"
