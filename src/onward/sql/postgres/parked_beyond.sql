SELECT count(*) FROM onward.parked WHERE stage = %(stage)s AND partition = %(partition)s AND "offset" >= %(next)s
