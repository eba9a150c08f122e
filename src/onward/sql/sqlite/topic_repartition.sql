UPDATE topic SET incarnation = :incarnation, held = max(partitions, held, :partitions), partitions = :partitions WHERE name = :name
