UPDATE lease SET until = :until, state = :state
WHERE stage = :stage AND partition = :partition AND token = :token AND worker = :worker
