SELECT c.token, l.position, l.outputs, l.parked
FROM {schema}.onward_cursor c LEFT JOIN {schema}.onward_ledger l USING (stage, partition)
WHERE stage = %(stage)s AND partition = %(partition)s
