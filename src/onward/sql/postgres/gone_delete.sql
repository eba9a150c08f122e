DELETE FROM onward.gone WHERE name = %(name)s
