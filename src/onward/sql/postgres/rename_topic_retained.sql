UPDATE onward.retained SET topic = %(name)s WHERE topic = %(was)s
