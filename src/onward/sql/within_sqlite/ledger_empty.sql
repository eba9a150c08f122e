UPDATE onward_ledger SET outputs = '', parked = '' WHERE stage = :stage AND partition = :partition
