INSERT INTO request (stage, partition, action, match, by, at)
VALUES (:stage, :partition, :action, :match, :by, :at) RETURNING id
