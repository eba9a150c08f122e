CREATE TABLE IF NOT EXISTS {schema}.onward_cursor (
    stage text NOT NULL,
    partition integer NOT NULL,
    token bigint NOT NULL,
    next bigint NOT NULL,
    PRIMARY KEY (stage, partition)
) WITH (fillfactor = 50)
