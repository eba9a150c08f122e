DELETE FROM block
WHERE topic = :topic AND partition = :partition AND written < :before AND "offset" + count <= :offset
AND "offset" < (
    SELECT max(newest."offset") FROM block AS newest
    WHERE newest.topic = :topic AND newest.partition = :partition
)
