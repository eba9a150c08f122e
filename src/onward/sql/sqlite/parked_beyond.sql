SELECT count(*) FROM parked WHERE stage = :stage AND partition = :partition AND "offset" >= :next
