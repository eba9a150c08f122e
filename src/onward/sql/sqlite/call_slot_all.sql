SELECT worker, held, wants, until FROM call_slot WHERE stage = :stage
