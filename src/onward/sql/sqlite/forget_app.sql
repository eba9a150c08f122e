DELETE FROM app WHERE name = :name
