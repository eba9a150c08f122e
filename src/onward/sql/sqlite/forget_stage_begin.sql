DELETE FROM begin WHERE stage = :name
