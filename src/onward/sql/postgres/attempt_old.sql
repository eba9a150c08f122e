SELECT id FROM onward.attempt
WHERE stage = %(stage)s AND partition = %(partition)s AND "offset" < %(kept)s AND NOT EXISTS (
    SELECT 1 FROM onward.parked
    WHERE parked.stage = attempt.stage AND parked.partition = attempt.partition
    AND parked."offset" = attempt."offset"
) LIMIT %(most)s
