DELETE FROM onward.topic WHERE name = %(name)s
