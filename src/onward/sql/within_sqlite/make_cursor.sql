CREATE TABLE IF NOT EXISTS onward_cursor (
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    token INTEGER NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (stage, partition)
) WITHOUT ROWID
