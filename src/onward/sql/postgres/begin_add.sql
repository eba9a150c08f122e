INSERT INTO onward.begin (stage, partition, topic, "offset")
VALUES (%(stage)s, %(partition)s, %(topic)s, %(offset)s)
