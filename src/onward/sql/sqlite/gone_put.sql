INSERT INTO gone (topic, partition, "offset")
SELECT :topic, :partition, max("offset" + count) FROM block
WHERE topic = :topic AND partition = :partition AND written < :before AND "offset" + count <= :offset
HAVING count(*) > 0
ON CONFLICT (topic, partition) DO UPDATE SET "offset" = max(gone."offset", excluded."offset")
