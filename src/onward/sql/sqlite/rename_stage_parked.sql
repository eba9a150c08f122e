UPDATE parked SET stage = :name WHERE stage = :was
