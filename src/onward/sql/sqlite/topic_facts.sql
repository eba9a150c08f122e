SELECT
    topic.name,
    topic.partitions,
    topic.held,
    topic.put,
    topic.forgotten,
    coalesce(sum(CASE WHEN block.size > 2 THEN block.count ELSE 0 END), 0),
    coalesce(sum(CASE WHEN block.size > 2 THEN block.size ELSE 0 END), 0)
FROM topic
LEFT JOIN block INDEXED BY block_sizes ON block.topic = topic.name
GROUP BY topic.name
