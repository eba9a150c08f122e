DELETE FROM parked WHERE stage = :name
