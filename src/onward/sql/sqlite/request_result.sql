SELECT result FROM request WHERE id = :id AND done IS NOT NULL
