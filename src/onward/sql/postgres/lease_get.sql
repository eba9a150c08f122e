SELECT worker, token, until, taken, crashes FROM onward.lease WHERE stage = %(stage)s AND partition = %(partition)s
