UPDATE source SET name = :name WHERE name = :was
