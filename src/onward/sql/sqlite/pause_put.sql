INSERT OR IGNORE INTO pause (name, by, since) VALUES (:name, :by, :since)
