UPDATE onward_cursor SET token = :token WHERE stage = :stage AND partition = :partition
