UPDATE onward.folded SET stage = %(name)s WHERE stage = %(was)s
