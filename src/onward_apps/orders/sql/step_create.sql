CREATE TEMP TABLE step (
    n          INTEGER PRIMARY KEY,
    seq        INTEGER NOT NULL,
    event_type TEXT    NOT NULL,
    before     INTEGER,
    final      INTEGER NOT NULL
) STRICT
