SELECT "offset" FROM onward.block
WHERE topic = %(topic)s AND partition = %(partition)s AND size > 2
ORDER BY "offset" LIMIT 1
