DELETE FROM onward.progress WHERE stage = %(name)s
