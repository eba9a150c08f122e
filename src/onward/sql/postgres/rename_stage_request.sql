UPDATE onward.request SET stage = %(name)s WHERE stage = %(was)s
