DELETE FROM gone WHERE name = :name
