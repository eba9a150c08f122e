INSERT INTO onward.gone (name, since) VALUES (%(name)s, %(since)s) ON CONFLICT DO NOTHING
