UPDATE document_table SET name = :name WHERE name = :was
