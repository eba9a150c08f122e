INSERT INTO {schema}.onward_ledger AS before (stage, partition, position, outputs, parked)
VALUES (%(stage)s, %(partition)s, %(position)s, %(outputs)s, %(parked)s)
ON CONFLICT (stage, partition) DO UPDATE
SET position = excluded.position, outputs = excluded.outputs, parked = excluded.parked
WHERE before.position <> excluded.position
