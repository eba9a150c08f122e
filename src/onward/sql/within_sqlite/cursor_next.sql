UPDATE onward_cursor SET next = :next WHERE stage = :stage AND partition = :partition
