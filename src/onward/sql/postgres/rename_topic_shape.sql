UPDATE onward.shape SET topic = %(name)s WHERE topic = %(was)s
