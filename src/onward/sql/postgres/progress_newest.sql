SELECT next, totals, seq FROM onward.progress
WHERE stage = %(stage)s AND partition = %(partition)s
ORDER BY seq DESC LIMIT 1
