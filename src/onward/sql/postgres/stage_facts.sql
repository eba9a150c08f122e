SELECT
    begin.stage, begin.partition, begin.topic, begin."offset",
    coalesce(newest.next, begin."offset"), newest.totals, coalesce(lately.count, 0)::bigint
FROM onward.begin
LEFT JOIN LATERAL (
    SELECT progress.next, progress.totals FROM onward.progress
    WHERE progress.stage = begin.stage AND progress.partition = begin.partition
    ORDER BY progress.seq DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT sum(progress.count) AS count FROM onward.progress
    WHERE progress.stage = begin.stage AND progress.partition = begin.partition
    AND progress.written >= %(since)s::timestamptz
) AS lately ON true
ORDER BY begin.stage, begin.partition
