UPDATE onward.begin SET topic = %(name)s WHERE topic = %(was)s
