SELECT incarnation, partitions, max(partitions, held) FROM topic WHERE name = :name
