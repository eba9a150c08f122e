INSERT INTO document_table (name, declaration) VALUES (:name, :declaration)
ON CONFLICT (name) DO UPDATE SET declaration = excluded.declaration
