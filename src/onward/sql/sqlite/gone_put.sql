INSERT OR IGNORE INTO gone (name, since) VALUES (:name, :since)
