DELETE FROM seen WHERE stage = :name
