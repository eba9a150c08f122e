SELECT worker, token, until FROM lease WHERE stage = :stage AND partition = :partition
