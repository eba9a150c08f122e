SELECT seen.mark, seen."offset"
FROM jsonb_each(:marks) AS wanted
CROSS JOIN seen ON seen.stage = :stage AND seen.partition = :partition AND seen.mark = wanted.value
WHERE seen.at >= :since
