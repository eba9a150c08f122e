INSERT INTO begin (stage, partition, "offset") VALUES (:stage, :partition, :offset)
