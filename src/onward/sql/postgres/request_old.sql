SELECT id FROM onward.request
WHERE stage = %(stage)s AND partition = %(partition)s AND done IS NOT NULL AND done < %(before)s LIMIT %(most)s
