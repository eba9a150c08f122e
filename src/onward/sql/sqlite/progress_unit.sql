SELECT max(unit) FROM progress WHERE stage = :stage AND partition = :partition AND unit IS NOT NULL
