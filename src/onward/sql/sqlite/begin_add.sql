INSERT INTO begin (stage, partition, topic, "offset") VALUES (:stage, :partition, :topic, :offset)
