SELECT id FROM request
WHERE stage = :stage AND partition = :partition AND done IS NOT NULL AND done < :before LIMIT :most
