SELECT
    topic.name, topic.partitions, topic.held, topic.put + coalesce(kept.put, 0), topic.forgotten,
    coalesce(kept.records, 0), coalesce(kept.size, 0)
FROM onward.topic
LEFT JOIN (
    SELECT
        block.topic,
        sum(block.count)::bigint AS records,
        sum(block.size)::bigint AS size,
        coalesce(sum(block.count) FILTER (WHERE block.maker IS NULL), 0)::bigint AS put
    FROM onward.block WHERE block.size > 2 GROUP BY block.topic
) AS kept ON kept.topic = topic.name
ORDER BY topic.name
