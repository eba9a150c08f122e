INSERT INTO onward.source (name, cursor, emitted, last_run, next_run, state)
VALUES (%(name)s, %(cursor)s, %(emitted)s::jsonb, %(last_run)s, %(next_run)s, %(state)s)
ON CONFLICT (name) DO UPDATE SET
    cursor = excluded.cursor, emitted = excluded.emitted, last_run = excluded.last_run,
    next_run = excluded.next_run, state = excluded.state
