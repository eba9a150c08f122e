INSERT OR REPLACE INTO budget (name, free_at, at, per_second) VALUES (:name, :free_at, :at, :per_second)
