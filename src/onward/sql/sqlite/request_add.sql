INSERT INTO request (stage, partition, action, match, by, at, value)
VALUES (:stage, :partition, :action, :match, :by, :at, :value) RETURNING id
