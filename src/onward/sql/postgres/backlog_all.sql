SELECT
    begin.stage, begin.partition, begin.topic,
    coalesce(newest."end", 0) - stands.next - parked.count, coalesce(kept.size, 0)
FROM onward.begin
CROSS JOIN LATERAL (
    SELECT coalesce((
        SELECT progress.next FROM onward.progress
        WHERE progress.stage = begin.stage AND progress.partition = begin.partition
        ORDER BY progress.seq DESC LIMIT 1
    ), begin."offset") AS next
) AS stands
CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM onward.parked
    WHERE parked.stage = begin.stage AND parked.partition = begin.partition AND parked."offset" >= stands.next
) AS parked
LEFT JOIN LATERAL (
    SELECT block."offset" + block.count AS "end" FROM onward.block
    WHERE block.topic = begin.topic AND block.partition = begin.partition
    ORDER BY block."offset" DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT sum(these.size)::bigint AS size FROM (
        SELECT block.size FROM onward.block
        WHERE block.topic = begin.topic AND block.partition = begin.partition
        AND block."offset" + block.count > stands.next AND block."offset" >= (
            SELECT coalesce(max(earlier."offset"), 0) FROM onward.block AS earlier
            WHERE earlier.topic = begin.topic AND earlier.partition = begin.partition
            AND earlier."offset" <= stands.next
        )
        LIMIT 100000
    ) AS these
) AS kept ON true
WHERE begin.topic = ANY(%(topics)s::text[])
