SELECT token, next FROM onward_cursor WHERE stage = :stage AND partition = :partition
