INSERT INTO document_entry ("table", field, value, key)
SELECT
    document."table",
    field.value ->> 'name',
    CASE
        WHEN field.value ->> 'json' = '' THEN document.state
        WHEN json_type(document.value, '$."' || (field.value ->> 'json') || '"') IS NULL
            THEN json_extract(field.value ->> 'otherwise', '$')
        ELSE json_extract(document.value, '$."' || (field.value ->> 'json') || '"')
    END,
    document.key
FROM document_table
JOIN json_each(document_table.declaration, '$.index') AS field
JOIN document ON document."table" = document_table.name
WHERE document_table.name = :table AND document.value IS NOT NULL
