INSERT INTO block (
    topic, partition, "offset", count, written, nonce, size, keys, entries,
    maker, origin_partition, origin_first, origin_end
)
VALUES (
    :topic, :partition, :offset, :count, :written, :nonce, :size, :keys, CAST(:entries AS TEXT),
    :maker, :origin_partition, :origin_first, :origin_end
)
