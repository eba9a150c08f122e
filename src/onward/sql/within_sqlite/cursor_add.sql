INSERT INTO onward_cursor (stage, partition, token, next) VALUES (:stage, :partition, :token, :next)
