CREATE TABLE budget (
    name TEXT PRIMARY KEY,
    free_at REAL NOT NULL,
    at REAL NOT NULL,
    per_second REAL NOT NULL
);
