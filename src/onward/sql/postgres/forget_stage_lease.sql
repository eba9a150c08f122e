DELETE FROM onward.lease WHERE stage = %(name)s
