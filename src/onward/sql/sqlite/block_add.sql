INSERT INTO block (topic, partition, "offset", count, written, nonce, size, keys, entries)
VALUES (:topic, :partition, :offset, :count, :written, :nonce, :size, :keys, CAST(:entries AS TEXT))
