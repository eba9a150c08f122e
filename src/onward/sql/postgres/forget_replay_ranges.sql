DELETE FROM onward.replay_range WHERE number = %(number)s
