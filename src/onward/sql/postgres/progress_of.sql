SELECT written, finished, dropped FROM onward.progress
WHERE stage = %(stage)s AND partition = %(partition)s
AND last > %(offset)s AND last <= %(offset)s::bigint + 10000 AND first <= %(offset)s
UNION ALL
SELECT written, finished, dropped FROM onward.progress
WHERE stage = %(stage)s AND partition = %(partition)s
AND last - first > 10000 AND last > %(offset)s::bigint + 10000 AND first <= %(offset)s
