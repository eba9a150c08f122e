INSERT OR REPLACE INTO parked
    (stage, partition, "offset", key, state, due, attempts, since, error, reason, batch, approved, nonce, entry)
SELECT
    :stage, :partition, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
    value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11
FROM jsonb_each(:rows)
