INSERT INTO onward.home (one, state, move, other, by, at, told, kind, after)
VALUES (
    1, %(state)s, %(move)s, %(other)s, %(by)s, %(at)s, %(told)s, %(kind)s, %(after)s
)
ON CONFLICT (one) DO UPDATE SET
    state = excluded.state, move = excluded.move, other = excluded.other, by = excluded.by, at = excluded.at,
    told = excluded.told, kind = excluded.kind, after = excluded.after
