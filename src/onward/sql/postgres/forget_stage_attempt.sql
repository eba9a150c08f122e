DELETE FROM onward.attempt WHERE stage = %(name)s
