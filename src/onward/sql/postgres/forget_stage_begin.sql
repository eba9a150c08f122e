DELETE FROM onward.begin WHERE stage = %(name)s
