SELECT "offset", key, state, due, attempts, since, error, reason, batch, approved, CAST(entry AS BLOB), nonce
FROM parked
WHERE stage = :stage AND partition = :partition AND "offset" = :offset
