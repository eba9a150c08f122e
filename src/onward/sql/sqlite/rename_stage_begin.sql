UPDATE begin SET stage = :name WHERE stage = :was
