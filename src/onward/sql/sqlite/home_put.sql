INSERT INTO home (one, state, move, other, by, at, kind, after)
VALUES (1, :state, :move, :other, :by, :at, :kind, :after)
ON CONFLICT (one) DO UPDATE SET
    state = excluded.state, move = excluded.move, other = excluded.other, by = excluded.by, at = excluded.at,
    kind = excluded.kind, after = excluded.after
