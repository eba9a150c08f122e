UPDATE parked SET state = 'retrying', due = :due
WHERE stage = :stage AND partition = :partition AND "offset" = :offset AND state = 'behind'
