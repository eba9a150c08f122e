UPDATE {schema}.onward_cursor SET stage = %(named)s WHERE stage = %(was)s
