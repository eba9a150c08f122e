INSERT INTO onward.app (name, declaration, written) VALUES (%(name)s, %(declaration)s, %(written)s)
ON CONFLICT (name) DO UPDATE SET declaration = excluded.declaration, written = excluded.written
