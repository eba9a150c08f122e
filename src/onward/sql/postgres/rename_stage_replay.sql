UPDATE onward.replay SET stage = %(name)s WHERE stage = %(was)s
