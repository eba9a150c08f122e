UPDATE {schema}.onward_cursor SET next = %(next)s WHERE stage = %(stage)s AND partition = %(partition)s
