DELETE FROM call_slot WHERE stage = :name
