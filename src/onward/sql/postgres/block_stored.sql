SELECT topic, partition, "offset", count, nonce, convert_to(entries, 'UTF8'), written, maker FROM onward.block
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" <= %(offset)s
ORDER BY "offset" DESC LIMIT 1
