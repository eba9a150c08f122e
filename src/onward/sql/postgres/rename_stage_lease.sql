UPDATE onward.lease SET stage = %(name)s WHERE stage = %(was)s
