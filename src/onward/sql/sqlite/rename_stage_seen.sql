UPDATE seen SET stage = :name WHERE stage = :was
