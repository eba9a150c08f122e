SELECT "offset" + count FROM block
WHERE topic = :topic AND partition = :partition
ORDER BY "offset" DESC LIMIT 1
