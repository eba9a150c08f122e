INSERT INTO app (name, declaration, written) VALUES (:name, :declaration, :written)
ON CONFLICT (name) DO UPDATE SET declaration = excluded.declaration, written = excluded.written
