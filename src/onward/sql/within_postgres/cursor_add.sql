INSERT INTO {schema}.onward_cursor (stage, partition, token, next)
VALUES (%(stage)s, %(partition)s, %(token)s, %(next)s)
