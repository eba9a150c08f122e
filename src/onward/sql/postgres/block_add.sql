INSERT INTO {newest} (
    topic, partition, "offset", sizes_before, put_before, count, written, nonce, size, maker, origin_partition,
    origin_first, origin_end, keys, entries
)
SELECT
    %(topic)s, %(partition)s::integer, head.totals[1], head.totals[2], head.totals[3], %(count)s, %(written)s, %(nonce)s,
    %(size)s, %(maker)s, %(origin_partition)s::integer, %(origin_first)s::bigint, %(origin_end)s::bigint,
    %(keys)s::bytea, %(entries)s
FROM (
    SELECT
        (SELECT max(number) FROM onward.segment) AS segment,
        (SELECT partitions FROM onward.topic WHERE name = %(topic)s) AS partitions,
        (SELECT incarnation FROM onward.topic WHERE name = %(topic)s) AS incarnation,
        coalesce(
            (
                SELECT ARRAY[
                    block."offset" + block.count, block.sizes_before + block.size,
                    block.put_before + CASE WHEN block.maker IS NULL THEN block.count ELSE 0 END
                ]
                FROM {newest} AS block
                WHERE block.topic = %(topic)s AND block.partition = %(partition)s
                ORDER BY block."offset" DESC LIMIT 1
            ),
            (
                SELECT ARRAY[
                    block."offset" + block.count, block.sizes_before + block.size,
                    block.put_before + CASE WHEN block.maker IS NULL THEN block.count ELSE 0 END
                ]
                FROM {blocks}
                WHERE block.topic = %(topic)s AND block.partition = %(partition)s
                ORDER BY block."offset" DESC LIMIT 1
            ),
            ARRAY[0, 0, 0]::bigint[]
        ) AS totals
    OFFSET 0 -- found once, and not anew wherever it is used
) AS head
WHERE CASE
    WHEN head.segment <> {number} THEN onward.refuse('OW002', '[]')
    WHEN head.partitions IS NULL OR %(partition)s NOT BETWEEN 0 AND head.partitions - 1
        OR %(believed)s NOT IN (0, head.partitions)
    THEN onward.refuse('OW003', json_build_array(%(topic)s::text, %(partition)s, head.partitions, %(believed)s)::text)
    WHEN head.totals[1] < %(seen)s AND head.incarnation = %(incarnation)s
    THEN onward.refuse(
        'OW005', json_build_array('topic ' || %(topic)s::text || ':' || %(partition)s, head.totals[1], %(seen)s)::text
    )
    ELSE true
END
RETURNING (SELECT incarnation FROM onward.topic WHERE name = %(topic)s), "offset" + count
