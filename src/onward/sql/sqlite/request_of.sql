SELECT id, stage, partition, action, match, by, at, value, done, result FROM request
WHERE stage = :stage AND partition = :partition AND done IS NOT NULL AND offsets IS NOT NULL
AND EXISTS (
    SELECT 1 FROM json_each(request.offsets) AS span
    WHERE span.value ->> 0 <= :offset AND span.value ->> 1 > :offset
)
ORDER BY id
