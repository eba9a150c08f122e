SELECT
    stage, partition, "offset", key, state, due, attempts, since, error, reason, batch, approved,
    CAST(entry AS BLOB), nonce
FROM parked
WHERE (stage = :stage OR (:stage IS NULL AND instr(stage, '~') = 0))
AND (:key IS NULL OR key = :key) AND (:state IS NULL OR state = :state)
AND (stage, partition, "offset") > (:after_stage, :after_partition, :after_offset)
ORDER BY stage, partition, "offset" LIMIT :limit
