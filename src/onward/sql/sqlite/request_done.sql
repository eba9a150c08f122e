UPDATE request SET done = :done, result = :result, offsets = :offsets WHERE id = :id AND done IS NULL
