UPDATE lease SET stage = :name WHERE stage = :was
