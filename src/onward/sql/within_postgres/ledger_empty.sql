UPDATE {schema}.onward_ledger SET outputs = '', parked = ''
WHERE stage = %(stage)s AND partition = %(partition)s
