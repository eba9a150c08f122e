DELETE FROM onward.worker WHERE name = %(name)s
