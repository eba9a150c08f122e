UPDATE folded SET stage = :name WHERE stage = :was
