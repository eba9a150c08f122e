SELECT topic, partition, "offset", count, nonce, convert_to(entries, 'UTF8'), written, maker FROM (
    SELECT * FROM onward.block
    WHERE maker = %(stage)s AND origin_partition = %(partition)s AND origin_first IS NOT NULL
    AND origin_end > %(offset)s AND origin_end <= %(offset)s::bigint + 10000 AND origin_first <= %(offset)s
    UNION ALL
    SELECT * FROM onward.block
    WHERE maker = %(stage)s AND origin_partition = %(partition)s AND origin_end - origin_first > 10000
    AND origin_end > %(offset)s::bigint + 10000 AND origin_first <= %(offset)s
) AS made
ORDER BY seq
