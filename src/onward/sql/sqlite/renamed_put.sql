INSERT INTO renamed (was, name) VALUES (:was, :name) ON CONFLICT (was) DO UPDATE SET name = excluded.name
