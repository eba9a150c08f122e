UPDATE {schema}.onward_ledger SET stage = %(name)s WHERE stage = %(was)s
