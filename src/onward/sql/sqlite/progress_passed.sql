SELECT max(next) FROM progress
WHERE stage = :stage AND partition = :partition AND written = (
    SELECT max(earlier.written) FROM progress AS earlier
    WHERE earlier.stage = :stage AND earlier.partition = :partition AND earlier.written <= :at
)
