SELECT "offset", count, written, size FROM onward.block
WHERE topic = %(topic)s AND partition = %(partition)s
AND "offset" >= coalesce(
    (SELECT retained."offset" - retained.last FROM onward.retained WHERE retained.topic = %(topic)s AND retained.partition = %(partition)s),
    0
)
ORDER BY "offset" LIMIT %(most)s
