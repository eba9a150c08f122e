INSERT INTO source (name, cursor, emitted, last_run, next_run, state)
VALUES (:name, :cursor, :emitted, :last_run, :next_run, :state)
ON CONFLICT (name) DO UPDATE SET
    cursor = excluded.cursor, emitted = excluded.emitted, last_run = excluded.last_run,
    next_run = excluded.next_run, state = excluded.state
