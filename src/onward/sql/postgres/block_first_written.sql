SELECT written FROM onward.block
WHERE topic = %(topic)s AND partition = %(partition)s AND size > 2
AND "offset" >= coalesce(
    (SELECT retained."offset" FROM onward.retained WHERE retained.topic = %(topic)s AND retained.partition = %(partition)s),
    0
)
ORDER BY "offset" LIMIT 1
