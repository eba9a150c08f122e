SELECT 'progress' AS name, coalesce(sum(seq), 0)::bigint
FROM (SELECT max(seq) AS seq FROM onward.progress GROUP BY stage, partition) AS newest
UNION ALL
SELECT counted.name, last_value FROM pg_sequences
JOIN (VALUES ('replay', 'number'), ('request', 'id'), ('run', 'id')) AS counted (name, field)
    ON sequencename = counted.name || '_' || counted.field || '_seq'
WHERE schemaname = 'onward' AND last_value IS NOT NULL
ORDER BY name
