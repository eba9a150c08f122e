SELECT "offset", key, state, due, attempts, since, error, reason, batch, approved, convert_to(entry, 'UTF8'), nonce
FROM onward.parked
WHERE stage = %(stage)s AND partition = %(partition)s AND "offset" = %(offset)s
