DELETE FROM onward.pause WHERE name = %(name)s
