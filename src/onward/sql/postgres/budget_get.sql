SELECT free_at, at, per_second FROM onward.budget WHERE name = %(name)s FOR UPDATE
