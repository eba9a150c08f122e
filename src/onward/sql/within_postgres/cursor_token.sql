UPDATE {schema}.onward_cursor SET token = %(token)s WHERE stage = %(stage)s AND partition = %(partition)s
