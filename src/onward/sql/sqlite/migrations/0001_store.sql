CREATE TABLE app (
    name TEXT PRIMARY KEY,
    declaration TEXT NOT NULL,
    written TEXT NOT NULL
);
CREATE TABLE topic (
    name TEXT PRIMARY KEY,
    incarnation TEXT NOT NULL,
    partitions INTEGER NOT NULL,
    put INTEGER NOT NULL DEFAULT 0,
    made TEXT NOT NULL
);
CREATE TABLE block (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    count INTEGER NOT NULL,
    written TEXT NOT NULL,
    nonce TEXT NOT NULL,
    size INTEGER NOT NULL,
    keys BLOB,
    entries TEXT NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX block_sizes ON block (topic, partition, "offset", count, size);
CREATE TABLE source (
    name TEXT PRIMARY KEY,
    cursor TEXT,
    emitted TEXT NOT NULL DEFAULT '{}',
    last_run TEXT,
    next_run TEXT,
    state TEXT NOT NULL DEFAULT 'idle'
);
CREATE TABLE begin (
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    topic TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    PRIMARY KEY (stage, partition)
) WITHOUT ROWID;
CREATE TABLE progress (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    first INTEGER,
    last INTEGER,
    next INTEGER NOT NULL,
    count INTEGER NOT NULL,
    written TEXT NOT NULL,
    unit TEXT,
    finished TEXT NOT NULL,
    totals TEXT NOT NULL
);
CREATE INDEX progress_newest ON progress (stage, partition);
CREATE INDEX progress_recent ON progress (stage, partition, written, count);
CREATE UNIQUE INDEX progress_first ON progress (stage, partition, first);
CREATE INDEX progress_last ON progress (stage, partition, last);
CREATE UNIQUE INDEX progress_unit ON progress (stage, partition, unit) WHERE unit IS NOT NULL;
CREATE TABLE parked (
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    state TEXT NOT NULL,
    key TEXT,
    due TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    since TEXT NOT NULL,
    error TEXT NOT NULL,
    reason TEXT NOT NULL,
    batch TEXT,
    approved INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (stage, partition, "offset")
);
CREATE TABLE attempt (
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at TEXT NOT NULL,
    took REAL NOT NULL,
    error TEXT NOT NULL,
    message TEXT NOT NULL,
    traceback TEXT NOT NULL
);
CREATE INDEX attempt_of ON attempt (stage, partition, "offset");
CREATE TABLE lease (
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    worker TEXT NOT NULL,
    token INTEGER NOT NULL,
    until TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (stage, partition)
) WITHOUT ROWID;
CREATE TABLE request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    action TEXT NOT NULL,
    match TEXT NOT NULL,
    by TEXT NOT NULL,
    at TEXT NOT NULL,
    done TEXT,
    result TEXT
);
CREATE INDEX request_open ON request (stage) WHERE done IS NULL;
CREATE TABLE worker (
    name TEXT PRIMARY KEY,
    port INTEGER NOT NULL,
    until TEXT NOT NULL,
    wants TEXT NOT NULL
);
CREATE VIEW record AS
SELECT
    block.topic AS topic,
    block.partition AS partition,
    block."offset" + entry.key AS "offset",
    entry.value ->> 0 AS origin,
    entry.value ->> 1 AS key,
    entry.value ->> 2 AS time,
    entry.value -> 3 AS headers,
    entry.value -> 4 AS value
FROM block, json_each(block.entries) AS entry;
