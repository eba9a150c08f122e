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
CROSS JOIN json_each(:keys) AS changed
CROSS JOIN document ON document."table" = :table AND document.key = changed.value
CROSS JOIN json_each(document_table.declaration, '$.index') AS field
WHERE document_table.name = :table AND document.value IS NOT NULL
