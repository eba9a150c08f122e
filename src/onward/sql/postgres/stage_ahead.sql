SELECT begin.stage, begin.partition, stands.next, progress.finished
FROM onward.begin
JOIN LATERAL (
    SELECT newest.next FROM onward.progress AS newest
    WHERE newest.stage = begin.stage AND newest.partition = begin.partition
    ORDER BY newest.seq DESC LIMIT 1
) AS stands ON true
JOIN onward.progress
ON progress.stage = begin.stage AND progress.partition = begin.partition AND progress.last > stands.next
WHERE %(topics)s::text[] IS NULL OR begin.topic = ANY(%(topics)s::text[])
