SELECT sum(size)::bigint FROM (
    SELECT size FROM onward.block
    WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" + count > %(next)s AND "offset" >= coalesce(
        (
            SELECT earlier."offset" FROM onward.block AS earlier
            WHERE earlier.topic = %(topic)s AND earlier.partition = %(partition)s AND earlier."offset" <= %(next)s
            ORDER BY earlier."offset" DESC LIMIT 1
        ),
        0
    )
    LIMIT 100000
) AS rest
