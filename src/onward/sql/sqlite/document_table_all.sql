SELECT name, declaration FROM document_table ORDER BY name
