SELECT fingerprint, shape, since FROM onward.shape WHERE topic = %(topic)s ORDER BY seq
