INSERT INTO onward_ledger (stage, partition, position, outputs, parked)
VALUES (:stage, :partition, :position, :outputs, :parked)
