SELECT id, stage, partition, action, match, by, at, value FROM request
WHERE stage = :stage AND done IS NULL ORDER BY id
