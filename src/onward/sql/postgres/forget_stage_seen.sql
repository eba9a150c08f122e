DELETE FROM onward.seen WHERE stage = %(name)s
