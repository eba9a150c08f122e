SELECT "offset", key, state FROM parked WHERE stage = :stage AND partition = :partition ORDER BY "offset"
