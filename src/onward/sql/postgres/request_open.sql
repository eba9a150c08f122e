SELECT id, stage, partition, action, match, by, at, value FROM onward.request
WHERE stage = %(stage)s AND done IS NULL ORDER BY id
