UPDATE onward.request SET done = %(done)s, result = %(result)s, offsets = %(offsets)s::jsonb
WHERE id = %(id)s AND done IS NULL
