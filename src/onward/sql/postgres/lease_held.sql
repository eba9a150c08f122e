SELECT worker, token FROM onward.lease WHERE stage = %(stage)s AND partition = %(partition)s
