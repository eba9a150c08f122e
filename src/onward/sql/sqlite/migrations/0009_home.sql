CREATE TABLE home (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    state TEXT NOT NULL,
    move TEXT NOT NULL,
    other TEXT NOT NULL,
    by TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL DEFAULT '',
    after TEXT NOT NULL DEFAULT ''
);
