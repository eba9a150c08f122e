CREATE TABLE replay (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    stage TEXT NOT NULL,
    key TEXT,
    rate REAL,
    same_id INTEGER NOT NULL,
    by TEXT NOT NULL,
    at TEXT NOT NULL,
    cancelled TEXT
);
CREATE TABLE replay_range (
    number INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    closed TEXT,
    PRIMARY KEY (number, partition)
) WITHOUT ROWID;
CREATE INDEX replay_open ON replay_range (number, partition) WHERE closed IS NULL;
