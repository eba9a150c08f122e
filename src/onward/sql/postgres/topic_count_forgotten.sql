UPDATE onward.topic SET forgotten = forgotten + %(count)s WHERE name = %(name)s
