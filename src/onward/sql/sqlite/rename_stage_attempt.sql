UPDATE attempt SET stage = :name WHERE stage = :was
