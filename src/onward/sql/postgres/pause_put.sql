INSERT INTO onward.pause (name, by, since) VALUES (%(name)s, %(by)s, %(since)s) ON CONFLICT (name) DO NOTHING
