SELECT worker, token, until, taken, crashes, state FROM onward.lease WHERE stage = %(stage)s AND partition = %(partition)s
