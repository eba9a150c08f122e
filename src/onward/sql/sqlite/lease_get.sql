SELECT worker, token, until, taken, crashes FROM lease WHERE stage = :stage AND partition = :partition
