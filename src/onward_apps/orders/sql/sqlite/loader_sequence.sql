CREATE TABLE IF NOT EXISTS loader_sequence (
    process     TEXT    PRIMARY KEY,
    delivery_id INTEGER NOT NULL,
    event_id    INTEGER NOT NULL
) STRICT, WITHOUT ROWID
