WITH old AS (DELETE FROM onward.pause WHERE name = %(was)s RETURNING by, since)
INSERT INTO onward.pause (name, by, since) SELECT %(name)s, by, since FROM old
ON CONFLICT (name) DO UPDATE SET by = excluded.by, since = excluded.since
