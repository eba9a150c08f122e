INSERT OR REPLACE INTO folded (stage, partition, finished) VALUES (:stage, :partition, :finished)
