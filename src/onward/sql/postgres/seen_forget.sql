DELETE FROM onward.seen
WHERE stage = %(stage)s AND partition = %(partition)s
AND "offset" IN (
    SELECT "offset" FROM onward.seen
    WHERE stage = %(stage)s AND partition = %(partition)s
    ORDER BY "offset"
    LIMIT %(count)s
)
AND ("offset" < %(before)s OR at < %(since)s)
