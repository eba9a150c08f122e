SELECT token FROM {schema}.onward_cursor WHERE stage = %(stage)s AND partition = %(partition)s FOR UPDATE
