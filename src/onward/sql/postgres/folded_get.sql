SELECT finished FROM onward.folded WHERE stage = %(stage)s AND partition = %(partition)s
