SELECT "offset", count, written, size, maker IS NULL FROM onward.block
WHERE topic = %(topic)s AND partition = %(partition)s ORDER BY "offset" LIMIT %(most)s
