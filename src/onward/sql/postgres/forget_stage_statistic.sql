DELETE FROM onward.statistic WHERE stage = %(name)s
