UPDATE onward_ledger SET stage = :name WHERE stage = :was
