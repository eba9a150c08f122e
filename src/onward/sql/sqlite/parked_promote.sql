UPDATE parked SET state = 'retrying', due = :due, since = :due
WHERE stage = :stage AND partition = :partition AND "offset" = :offset AND state = 'behind'
