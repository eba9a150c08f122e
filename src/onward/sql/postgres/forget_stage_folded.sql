DELETE FROM onward.folded WHERE stage = %(name)s
