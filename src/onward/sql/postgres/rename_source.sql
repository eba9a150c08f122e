UPDATE onward.source SET name = %(name)s WHERE name = %(was)s
