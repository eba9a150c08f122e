UPDATE replay SET stage = :name WHERE stage = :was
