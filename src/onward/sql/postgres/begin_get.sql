SELECT "offset", topic FROM onward.begin WHERE stage = %(stage)s AND partition = %(partition)s
