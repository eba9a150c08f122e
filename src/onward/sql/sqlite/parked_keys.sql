SELECT "offset", key, state, due, attempts, since, error, reason, batch, approved FROM parked
WHERE stage = :stage AND partition = :partition ORDER BY "offset"
