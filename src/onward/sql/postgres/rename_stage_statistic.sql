UPDATE onward.statistic SET stage = %(name)s WHERE stage = %(was)s
