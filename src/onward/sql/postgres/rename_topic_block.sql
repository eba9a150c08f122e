UPDATE {segment} SET topic = %(name)s WHERE topic = %(was)s
