SELECT id, stage, partition, action, match, by, at, value FROM onward.request
WHERE stage = ANY (%(stages)s::text[]) AND done IS NULL ORDER BY stage, id
