CREATE TABLE IF NOT EXISTS {schema}.onward_ledger (
    stage text NOT NULL,
    partition integer NOT NULL,
    position text NOT NULL,
    outputs text NOT NULL,
    parked text NOT NULL,
    PRIMARY KEY (stage, partition)
) WITH (fillfactor = 50)
