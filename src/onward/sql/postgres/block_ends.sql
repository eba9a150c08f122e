SELECT topic.name, place.partition, coalesce(
    (
        SELECT block."offset" + block.count FROM {newest} AS block
        WHERE block.topic = topic.name AND block.partition = place.partition
        ORDER BY block."offset" DESC LIMIT 1
    ),
    (
        SELECT block."offset" + block.count FROM {blocks}
        WHERE block.topic = topic.name AND block.partition = place.partition
        ORDER BY block."offset" DESC LIMIT 1
    ),
    0
)
FROM onward.topic CROSS JOIN LATERAL generate_series(0, topic.partitions - 1) AS place (partition)
WHERE topic.name = ANY (%(topics)s::text[])
