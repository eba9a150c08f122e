INSERT OR IGNORE INTO shape (topic, fingerprint, shape, since) VALUES (:topic, :fingerprint, :shape, :since)
