SELECT "offset", topic FROM begin WHERE stage = :stage AND partition = :partition
