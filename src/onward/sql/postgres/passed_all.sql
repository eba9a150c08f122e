SELECT begin.stage, begin.partition, coalesce(max(progress.next), begin."offset")
FROM unnest(%(stages)s::text[], %(ats)s::timestamptz[]) AS asked (stage, at)
JOIN onward.begin ON begin.stage = asked.stage
LEFT JOIN LATERAL (
    SELECT max(earlier.written) AS written FROM onward.progress AS earlier
    WHERE earlier.stage = begin.stage AND earlier.partition = begin.partition AND earlier.written <= asked.at
) AS last ON true
LEFT JOIN onward.progress
ON progress.stage = begin.stage AND progress.partition = begin.partition AND progress.written = last.written
GROUP BY begin.stage, begin.partition, begin."offset"
