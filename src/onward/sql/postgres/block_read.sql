SELECT "offset", count, nonce, convert_to(entries, 'UTF8')
FROM (
    SELECT
        "offset", count, nonce, entries, size, sum(size) OVER ordered AS reached,
        sum(fresh) OVER ordered - fresh AS before
    FROM (
        SELECT
            block."offset", block.count, block.nonce, block.entries, block.size,
            block.count - greatest(%(offset)s - block."offset", 0) AS fresh
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
    WINDOW ordered AS (ORDER BY "offset")
) AS summed
WHERE before < %(records)s AND (reached <= %(size)s OR reached = size)
ORDER BY "offset"
