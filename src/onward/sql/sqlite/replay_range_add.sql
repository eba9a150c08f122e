INSERT INTO replay_range (number, partition, first, last, gone, closed)
VALUES (:number, :partition, :first, :last, :gone, :closed)
