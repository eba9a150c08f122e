SELECT id, stage, partition, action, match, by, at, value, done, result FROM onward.request
WHERE stage = %(stage)s AND partition = %(partition)s AND done IS NOT NULL AND EXISTS (
    SELECT 1 FROM jsonb_array_elements(request.offsets) AS span
    WHERE (span ->> 0)::bigint <= %(offset)s AND (span ->> 1)::bigint > %(offset)s
)
ORDER BY id
