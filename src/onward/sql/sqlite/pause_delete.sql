DELETE FROM pause WHERE name = :name
