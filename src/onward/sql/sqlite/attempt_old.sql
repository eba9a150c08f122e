SELECT rowid FROM attempt
WHERE stage = :stage AND partition = :partition AND "offset" < :kept AND NOT EXISTS (
    SELECT 1 FROM parked
    WHERE parked.stage = attempt.stage AND parked.partition = attempt.partition
    AND parked."offset" = attempt."offset"
) LIMIT :most
