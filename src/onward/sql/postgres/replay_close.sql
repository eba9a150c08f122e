UPDATE onward.replay_range SET closed = %(now)s WHERE number = %(number)s AND partition = %(partition)s
