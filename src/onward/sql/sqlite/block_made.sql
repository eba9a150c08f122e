SELECT topic, partition, "offset", count, nonce, CAST(entries AS BLOB), written, maker FROM block
WHERE rowid IN (
    SELECT rowid FROM block INDEXED BY block_made
    WHERE maker = :stage AND origin_partition = :partition AND origin_first IS NOT NULL
    AND origin_end > :offset AND origin_end <= :offset + 10000 AND origin_first <= :offset
    UNION
    SELECT rowid FROM block INDEXED BY block_wide
    WHERE maker = :stage AND origin_partition = :partition AND origin_end - origin_first > 10000
    AND origin_end > :offset AND origin_first <= :offset
)
ORDER BY rowid
