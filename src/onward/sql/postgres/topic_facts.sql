SELECT
    topic.name, topic.partitions, topic.held, coalesce(sum(newest.put), 0)::bigint, topic.forgotten,
    coalesce(sum(newest."end" - first."offset"), 0)::bigint, coalesce(sum(newest.sizes - first.sizes_before), 0)::bigint
FROM onward.topic
CROSS JOIN generate_series(0, greatest(topic.partitions, topic.held) - 1) AS part (number)
LEFT JOIN onward.retained ON retained.topic = topic.name AND retained.partition = part.number
LEFT JOIN LATERAL (
    SELECT
        block."offset" + block.count AS "end",
        block.sizes_before + block.size AS sizes,
        block.put_before + CASE WHEN block.maker IS NULL THEN block.count ELSE 0 END AS put
    FROM onward.block
    WHERE block.topic = topic.name AND block.partition = part.number
    ORDER BY block."offset" DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT block."offset", block.sizes_before FROM onward.block
    WHERE block.topic = topic.name AND block.partition = part.number AND block.size > 2
    AND block."offset" >= coalesce(retained."offset", 0)
    ORDER BY block."offset" LIMIT 1
) AS first ON true
GROUP BY topic.name
ORDER BY topic.name
