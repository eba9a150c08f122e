SELECT position FROM {schema}.onward_ledger WHERE stage = %(stage)s AND partition = %(partition)s
