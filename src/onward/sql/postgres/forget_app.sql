DELETE FROM onward.app WHERE name = %(name)s
