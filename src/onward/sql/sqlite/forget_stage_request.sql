DELETE FROM request WHERE stage = :name
