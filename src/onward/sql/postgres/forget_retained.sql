DELETE FROM onward.retained WHERE topic = %(name)s
