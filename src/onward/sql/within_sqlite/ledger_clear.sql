DELETE FROM onward_ledger WHERE stage = :stage AND partition = :partition AND position <> :position
