DELETE FROM onward.segment WHERE number = %(number)s
