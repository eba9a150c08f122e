SELECT "offset" + count FROM onward.block
WHERE topic = %(topic)s AND partition = %(partition)s
ORDER BY "offset" DESC LIMIT 1
