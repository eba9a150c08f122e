INSERT INTO onward.seen (stage, partition, mark, "offset", at)
SELECT %(stage)s, %(partition)s, made.*
FROM unnest(%(marks)s::text[], %(offsets)s::bigint[], %(ats)s::timestamptz[]) AS made
ON CONFLICT (stage, partition, mark) DO UPDATE SET "offset" = excluded."offset", at = excluded.at
