DELETE FROM lease WHERE stage = :name
