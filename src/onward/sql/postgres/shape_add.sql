INSERT INTO onward.shape (topic, fingerprint, shape, since)
VALUES (%(topic)s, %(fingerprint)s, %(shape)s, %(since)s) ON CONFLICT DO NOTHING
