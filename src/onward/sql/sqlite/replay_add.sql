INSERT INTO replay (stage, key, rate, same_id, by, at) VALUES (:stage, :key, :rate, :same_id, :by, :at)
RETURNING number
