UPDATE topic SET name = :name WHERE name = :was
