SELECT "offset" FROM begin WHERE stage = :stage AND partition = :partition
