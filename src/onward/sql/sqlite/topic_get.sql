SELECT incarnation, partitions FROM topic WHERE name = :name
