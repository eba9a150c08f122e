DELETE FROM onward.shape WHERE topic = %(name)s
