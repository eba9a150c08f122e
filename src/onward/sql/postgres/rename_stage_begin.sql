UPDATE onward.begin SET stage = %(name)s WHERE stage = %(was)s
