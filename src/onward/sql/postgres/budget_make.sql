INSERT INTO onward.budget (name, free_at, at, per_second) VALUES (%(name)s, %(now)s, %(now)s, %(per_second)s)
ON CONFLICT DO NOTHING
