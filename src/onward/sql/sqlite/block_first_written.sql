SELECT written FROM block
WHERE topic = :topic AND partition = :partition AND size > 2 ORDER BY "offset" LIMIT 1
