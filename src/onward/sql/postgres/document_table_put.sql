INSERT INTO onward.document_table (name, declaration) VALUES (%(name)s, %(declaration)s)
ON CONFLICT (name) DO UPDATE SET declaration = excluded.declaration
