CREATE TABLE budget (
    name TEXT PRIMARY KEY,
    free_at REAL NOT NULL,
    at REAL NOT NULL,
    per_second REAL NOT NULL
);
CREATE TABLE call_slot (
    stage TEXT NOT NULL,
    worker TEXT NOT NULL,
    held INTEGER NOT NULL,
    wants INTEGER NOT NULL,
    until TEXT NOT NULL,
    PRIMARY KEY (stage, worker)
) WITHOUT ROWID;
CREATE TABLE seen (
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    mark TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (stage, partition, mark)
) WITHOUT ROWID;
CREATE INDEX seen_offset ON seen (stage, partition, "offset", at);
ALTER TABLE lease ADD COLUMN taken TEXT NOT NULL DEFAULT '';
ALTER TABLE lease ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
