SELECT topic.name, part.number, coalesce(newest."end", 0)
FROM onward.topic
CROSS JOIN generate_series(0, greatest(topic.partitions, topic.held) - 1) AS part (number)
LEFT JOIN LATERAL (
    SELECT block."offset" + block.count AS "end" FROM onward.block
    WHERE block.topic = topic.name AND block.partition = part.number
    ORDER BY block."offset" DESC LIMIT 1
) AS newest ON true
ORDER BY topic.name, part.number
