UPDATE onward.segment SET moved = clock_timestamp() WHERE number = %(number)s
