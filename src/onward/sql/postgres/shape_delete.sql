DELETE FROM onward.shape WHERE topic = %(topic)s AND fingerprint = %(fingerprint)s
