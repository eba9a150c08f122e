DELETE FROM parked
WHERE stage = :stage AND partition = :partition AND "offset" IN (SELECT value FROM json_each(:offsets))
