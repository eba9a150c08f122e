INSERT INTO onward.renamed (was, name) VALUES (%(was)s, %(name)s)
ON CONFLICT (was) DO UPDATE SET name = excluded.name
