INSERT INTO onward.request (stage, partition, action, match, by, at, value)
VALUES (%(stage)s, %(partition)s, %(action)s, %(match)s, %(by)s, %(at)s, %(value)s) RETURNING id
