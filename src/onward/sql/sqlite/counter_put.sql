UPDATE sqlite_sequence SET seq = :value WHERE name = :name
