INSERT OR REPLACE INTO parked
    (stage, partition, "offset", state, key, due, attempts, since, error, reason, batch, approved, nonce, entry)
VALUES
    (:stage, :partition, :offset, :state, :key, :due, :attempts, :since, :error, :reason, :batch, :approved, :nonce,
    CAST(:entry AS TEXT))
