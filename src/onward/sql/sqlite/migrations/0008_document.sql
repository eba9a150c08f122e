CREATE TABLE document_table (
    name TEXT PRIMARY KEY,
    declaration TEXT NOT NULL
);
CREATE TABLE document (
    "table" TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT,
    value TEXT,
    at TEXT NOT NULL,
    PRIMARY KEY ("table", key)
) WITHOUT ROWID;
CREATE TABLE document_history (
    "table" TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    action TEXT NOT NULL,
    state TEXT,
    value TEXT,
    at TEXT NOT NULL,
    by TEXT NOT NULL,
    origin TEXT,
    PRIMARY KEY ("table", key, version)
) WITHOUT ROWID;
CREATE TABLE document_entry (
    "table" TEXT NOT NULL,
    field TEXT NOT NULL,
    value,
    key TEXT NOT NULL
);
CREATE INDEX document_entry_value ON document_entry ("table", field, value, key);
CREATE INDEX document_entry_key ON document_entry ("table", key);
