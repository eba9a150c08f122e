SELECT seq, coalesce(last, 0), next, written, count, finished FROM onward.progress
WHERE stage = %(stage)s AND partition = %(partition)s ORDER BY seq LIMIT %(most)s
