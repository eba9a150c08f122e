UPDATE onward.topic SET name = %(name)s WHERE name = %(was)s
