DELETE FROM seen
WHERE stage = :stage AND partition = :partition
AND "offset" IN (
    SELECT "offset" FROM seen
    WHERE stage = :stage AND partition = :partition
    ORDER BY "offset"
    LIMIT :count
)
AND ("offset" < :before OR at < :since)
