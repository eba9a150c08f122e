DELETE FROM onward.replay WHERE number = %(number)s
