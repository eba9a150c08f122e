UPDATE onward.seen SET stage = %(name)s WHERE stage = %(was)s
