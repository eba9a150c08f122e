UPDATE statistic SET stage = :name WHERE stage = :was
