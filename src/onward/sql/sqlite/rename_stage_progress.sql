UPDATE progress SET stage = :name WHERE stage = :was
