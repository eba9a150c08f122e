UPDATE OR REPLACE pause SET name = :name WHERE name = :was
