UPDATE onward.replay SET cancelled = %(now)s WHERE number = %(number)s AND cancelled IS NULL
