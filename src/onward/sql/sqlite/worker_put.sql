INSERT OR REPLACE INTO worker (name, port, until, wants) VALUES (:name, :port, :until, :wants)
