INSERT INTO onward.budget (name, free_at, at, per_second) VALUES (%(name)s, %(free_at)s, %(at)s, %(per_second)s)
ON CONFLICT (name) DO UPDATE SET
    free_at = excluded.free_at, at = excluded.at, per_second = excluded.per_second
