INSERT INTO topic (name, incarnation, partitions, made) VALUES (:name, :incarnation, :partitions, :made)
