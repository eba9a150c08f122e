SELECT partition, first, last, gone, closed FROM onward.replay_range WHERE number = %(number)s ORDER BY partition
