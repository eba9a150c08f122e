CREATE TABLE IF NOT EXISTS onward_ledger (
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    position TEXT NOT NULL,
    outputs TEXT NOT NULL,
    parked TEXT NOT NULL,
    PRIMARY KEY (stage, partition, position)
)
