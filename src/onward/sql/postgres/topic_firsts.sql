SELECT topic.name, part.number, first."offset"
FROM onward.topic
CROSS JOIN generate_series(0, greatest(topic.partitions, topic.held) - 1) AS part (number)
LEFT JOIN onward.retained ON retained.topic = topic.name AND retained.partition = part.number
CROSS JOIN LATERAL (
    SELECT block."offset" FROM onward.block
    WHERE block.topic = topic.name AND block.partition = part.number AND block.size > 2
    AND block."offset" >= coalesce(retained."offset", 0)
    ORDER BY block."offset" LIMIT 1
) AS first
