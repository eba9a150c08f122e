UPDATE {schema}.onward_cursor SET stage = %(name)s WHERE stage = %(was)s
