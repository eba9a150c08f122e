SELECT stage, partition FROM onward.begin WHERE topic = %(topic)s
