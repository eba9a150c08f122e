SELECT mark, "offset" FROM onward.seen
WHERE stage = %(stage)s AND partition = %(partition)s AND mark = ANY (%(marks)s::text[]) AND at >= %(since)s
