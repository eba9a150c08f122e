CREATE TABLE statistic (
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    minute TEXT NOT NULL,
    count INTEGER NOT NULL,
    commits INTEGER NOT NULL,
    PRIMARY KEY (stage, partition, minute)
) WITHOUT ROWID;
CREATE TABLE folded (
    stage TEXT NOT NULL,
    partition INTEGER NOT NULL,
    finished TEXT NOT NULL,
    PRIMARY KEY (stage, partition)
) WITHOUT ROWID;
CREATE TABLE gone (
    name TEXT PRIMARY KEY,
    since TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE pause (
    name TEXT PRIMARY KEY,
    by TEXT NOT NULL,
    since TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE shape (
    seq INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    shape TEXT NOT NULL,
    since TEXT NOT NULL,
    UNIQUE (topic, fingerprint)
);
CREATE TABLE tally (
    name TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) WITHOUT ROWID;
ALTER TABLE topic ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
ALTER TABLE topic ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
CREATE INDEX request_answered ON request (stage, partition, done) WHERE done IS NOT NULL;
