CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task TEXT NOT NULL,
    by TEXT NOT NULL,
    process TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT,
    arguments TEXT NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT NOT NULL,
    result TEXT,
    output TEXT NOT NULL
);
CREATE INDEX run_of ON run (task, id);
