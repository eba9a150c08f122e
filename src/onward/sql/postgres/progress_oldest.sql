SELECT seq, coalesce(last, 0), next, written FROM onward.progress
WHERE stage = %(stage)s AND partition = %(partition)s ORDER BY seq LIMIT %(most)s
