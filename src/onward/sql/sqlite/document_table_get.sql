SELECT declaration FROM document_table WHERE name = :name
