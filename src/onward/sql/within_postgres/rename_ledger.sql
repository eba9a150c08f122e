UPDATE {schema}.onward_ledger SET stage = %(named)s WHERE stage = %(was)s
