SELECT position, outputs, parked FROM onward_ledger
WHERE stage = :stage AND partition = :partition ORDER BY rowid
