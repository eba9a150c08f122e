UPDATE onward_cursor SET stage = :name WHERE stage = :was
