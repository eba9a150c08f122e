UPDATE request SET done = :done, result = :result WHERE id = :id AND done IS NULL
