SELECT free_at, at, per_second FROM budget WHERE name = :name
