DELETE FROM call_slot WHERE stage = :stage AND worker = :worker
