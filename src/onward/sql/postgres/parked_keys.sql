SELECT "offset", key, state, due, attempts, since, error, reason, batch, approved FROM onward.parked
WHERE stage = %(stage)s AND partition = %(partition)s ORDER BY "offset"
