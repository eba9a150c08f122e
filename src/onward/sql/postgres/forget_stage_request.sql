DELETE FROM onward.request WHERE stage = %(name)s
