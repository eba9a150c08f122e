SELECT sizes_before + size, put_before + CASE WHEN maker IS NULL THEN count ELSE 0 END FROM onward.block
WHERE topic = %(topic)s AND partition = %(partition)s
ORDER BY "offset" DESC LIMIT 1
