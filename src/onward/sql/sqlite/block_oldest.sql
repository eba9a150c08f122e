SELECT "offset", count, written, size FROM block
WHERE topic = :topic AND partition = :partition ORDER BY "offset"
