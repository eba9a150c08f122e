DELETE FROM shape WHERE topic = :topic AND fingerprint = :fingerprint
