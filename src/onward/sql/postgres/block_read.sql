SELECT "offset", count, nonce, convert_to(entries, 'UTF8')
FROM (
    SELECT "offset", count, nonce, entries, size, sum(size) OVER (ORDER BY "offset") AS reached
    FROM (
        SELECT block."offset", block.count, block.nonce, block.entries, block.size
        FROM {blocks}
        WHERE block.topic = %(topic)s AND block.partition = %(partition)s
        AND block.size > 2 AND block."offset" + block.count > %(offset)s AND block."offset" >= coalesce(
            (
                SELECT block."offset" FROM {blocks}
                WHERE block.topic = %(topic)s AND block.partition = %(partition)s AND block."offset" <= %(offset)s
                ORDER BY block."offset" DESC LIMIT 1
            ),
            0
        )
        ORDER BY block."offset" LIMIT %(most)s
    ) AS next
) AS summed
WHERE reached <= %(size)s OR reached = size
ORDER BY "offset"
