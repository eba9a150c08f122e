UPDATE request SET stage = :name WHERE stage = :was
