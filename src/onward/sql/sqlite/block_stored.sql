SELECT topic, partition, "offset", count, nonce, CAST(entries AS BLOB), written, maker FROM block
WHERE topic = :topic AND partition = :partition AND "offset" <= :offset
ORDER BY "offset" DESC LIMIT 1
